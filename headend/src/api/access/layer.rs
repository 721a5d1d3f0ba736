//! Holds every call against the rules before a service sees it.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::future::Either;
use jiff::Timestamp;
use tonic::Status;
use tonic::codegen::{Service, http};
use tower_layer::Layer;
use tracing::{Span, warn};

use super::principal::{Caller, Principal};
use super::role::Role;
use super::rules;
use crate::api::status::Refusal;

/// Lets a call through when the role of its caller has the permission that the rpc needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessLayer;

impl<S> Layer<S> for AccessLayer {
    type Service = AccessService<S>;

    fn layer(&self, inner: S) -> AccessService<S> {
        AccessService { inner }
    }
}

/// A service that only sees calls of principals who may make them.
#[derive(Debug, Clone)]
pub(crate) struct AccessService<S> {
    inner: S,
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
                Either::Left(self.inner.call(request))
            }
            Err(refusal) => {
                warn!(%refusal, "a call is refused");
                Either::Right(ready(Ok(Status::from(refusal).into_http())))
            }
        }
    }
}

/// The principal behind a call that may be made.
fn admit(caller: Option<&Caller>, path: &str, now: Timestamp) -> Result<Principal, Refusal> {
    let principal = match caller {
        Some(Caller::Known { until: Some(until), .. }) if *until < now => {
            return Err(Refusal::CertificateExpired { until: *until });
        }
        Some(Caller::Known { principal, .. }) => principal,
        Some(Caller::Unknown { name, fingerprint }) => {
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

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const CREATE: &str = "/ami.v1.InventoryService/CreateMeter";

    fn caller(role: Role, until: Option<Timestamp>) -> Caller {
        Caller::Known { principal: Principal { name: "anna".into(), role }, until }
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
        let unknown = Caller::Unknown { name: "eve".into(), fingerprint: "ab12".into() };
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
