-- A profile may have more values than a capture has room for: those that are left out are told.

ALTER TYPE flag_rule ADD VALUE 'value_left_out' AFTER 'times_left_out';
