-- An association that is refused, and a counter that a person has to put right, are reasons of their own.

ALTER TYPE failure_reason ADD VALUE 'association_refused';
ALTER TYPE failure_reason ADD VALUE 'counter_unusable';
