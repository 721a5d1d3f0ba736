//! Holds every call against the rules before a service sees it.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::future::Either;
use jiff::Timestamp;
use tonic::Status;
use tonic::codegen::{Service, http};
use tower_layer::Layer;
use tracing::Span;
use uuid::Uuid;

use super::principal::{Caller, Identity, Principal};
use super::refusals::{self, Recorder, Refusals};
use super::role::Role;
use super::rules;
use super::two_persons::TwoPersons;
use crate::api::request_id::RequestId;
use crate::api::status::Refusal;
use crate::store::audit::Entry;

/// Lets a call through when the role of its caller has the permission that the rpc needs.
#[derive(Debug, Clone)]
pub(crate) struct AccessLayer {
    refusals: Refusals,
    two_persons: TwoPersons,
}

impl AccessLayer {
    /// The layer, and whoever writes down what it refuses. Services learn from it which orders need two persons.
    pub(crate) fn new(two_persons: TwoPersons) -> (Self, Recorder) {
        let (refusals, recorder) = refusals::channel();
        (Self { refusals, two_persons }, recorder)
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = AccessService<S>;

    fn layer(&self, inner: S) -> AccessService<S> {
        AccessService { inner, refusals: self.refusals.clone(), two_persons: self.two_persons.clone() }
    }
}

/// A service that only sees calls of principals who may make them.
#[derive(Debug, Clone)]
pub(crate) struct AccessService<S> {
    inner: S,
    refusals: Refusals,
    two_persons: TwoPersons,
}

impl<S, I, O> Service<http::Request<I>> for AccessService<S>
where
    S: Service<http::Request<I>, Response = http::Response<O>>,
    O: Default,
{
    type Response = http::Response<O>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Self::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<I>) -> Self::Future {
        match admit(request.extensions().get(), request.uri().path(), Timestamp::now()) {
            Ok(principal) => {
                Span::current().record("principal", &principal.name);
                request.extensions_mut().insert(principal);
                request.extensions_mut().insert(self.two_persons.clone());
                Either::Left(self.inner.call(request))
            }
            Err(refusal) => {
                self.refusals.tell(entry(&request, &refusal));
                Either::Right(ready(Ok(Status::from(refusal).into_http())))
            }
        }
    }
}

/// The principal behind a call that may be made.
fn admit(caller: Option<&Caller>, path: &str, now: Timestamp) -> Result<Principal, Refusal> {
    let principal = match caller.map(|caller| &caller.identity) {
        Some(Identity::Known { until: Some(until), .. }) if *until < now => {
            return Err(Refusal::CertificateExpired { until: *until });
        }
        Some(Identity::Known { principal, .. }) => principal,
        Some(Identity::Unknown { name, fingerprint }) => {
            return Err(Refusal::UnknownCaller { name: name.clone(), fingerprint: fingerprint.clone() });
        }
        None => return Err(Refusal::Nameless),
    };
    let needed = rules::needed(path).ok_or_else(|| Refusal::NoRule { call: path.into() })?;
    if principal.role.may(needed) {
        return Ok(principal.clone());
    }
    Err(Refusal::NotPermitted {
        principal: principal.name.clone(),
        role: principal.role,
        call: path.rsplit('/').next().unwrap_or_default().into(),
        allowed: Role::with(needed),
    })
}

/// A refused call in the audit.
fn entry<T>(request: &http::Request<T>, refusal: &Refusal) -> Entry {
    let caller = request.extensions().get::<Caller>();
    let principal = match caller.map(|caller| &caller.identity) {
        Some(Identity::Known { principal, .. }) => principal.name.clone(),
        // Nobody else has the name yet, so it must not stand where those of principals do.
        Some(Identity::Unknown { fingerprint, .. }) => format!("certificate {fingerprint}"),
        None => "nobody".into(),
    };
    let address = caller.and_then(|caller| caller.address).map(|address| format!(", from {address}"));
    let path = request.uri().path().trim_start_matches('/');
    Entry {
        principal,
        action: path.strip_prefix("ami.v1.").unwrap_or(path).to_owned(),
        target: String::new(),
        outcome: refusal.word(),
        detail: Some(format!("{refusal}{}", address.unwrap_or_default())),
        request_id: request.extensions().get().map_or_else(Uuid::now_v7, |id: &RequestId| id.0),
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const CREATE: &str = "/ami.v1.InventoryService/CreateMeter";

    fn caller(role: Role, until: Option<Timestamp>) -> Caller {
        let principal = Principal { name: "anna".into(), role };
        Caller { address: None, identity: Identity::Known { principal, until } }
    }

    fn refused(caller: Option<&Caller>, path: &str) -> Status {
        admit(caller, path, Timestamp::UNIX_EPOCH).unwrap_err().into()
    }

    #[test]
    fn who_may_is_admitted_and_who_may_not_is_told_whom_to_ask() {
        let engineer = caller(Role::Engineer, None);
        assert_eq!(admit(Some(&engineer), CREATE, Timestamp::MAX).unwrap().name, "anna");
        let status = refused(Some(&caller(Role::Operator, None)), CREATE);
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(
            status.message(),
            "anna is operator, but only engineer may call CreateMeter: ask one of them, or have the role changed"
        );
    }

    #[test]
    fn without_a_rule_or_a_name_nobody_is_admitted() {
        let status = refused(Some(&caller(Role::Engineer, None)), "/ami.v1.JobsService/Drop");
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(refused(None, CREATE).code(), Code::Unauthenticated);
        let identity = Identity::Unknown { name: "eve".into(), fingerprint: "ab12".into() };
        let unknown = Caller { address: None, identity };
        let status = refused(Some(&unknown), CREATE);
        assert_eq!(status.code(), Code::Unauthenticated);
        assert!(status.message().contains("\"eve\"") && status.message().contains("ab12"), "{status}");
    }

    #[test]
    fn a_certificate_counts_until_its_last_second() {
        let admit = |now| admit(Some(&caller(Role::Engineer, Some(Timestamp::UNIX_EPOCH))), CREATE, now);
        assert!(admit(Timestamp::UNIX_EPOCH).is_ok());
        let status = Status::from(admit(Timestamp::UNIX_EPOCH + jiff::Span::new().seconds(1)).unwrap_err());
        assert_eq!(status.code(), Code::Unauthenticated);
    }
}
