//! Holds every call against the rules before a service sees it.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::future::Either;
use tonic::Status;
use tonic::codegen::{Service, http};
use tower_layer::Layer;
use tracing::warn;

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
        match admit(request.extensions().get(), request.uri().path()) {
            Ok(principal) => {
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
fn admit(caller: Option<&Caller>, path: &str) -> Result<Principal, Refusal> {
    let principal = match caller {
        Some(Caller::Known(principal)) => principal,
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

    fn caller(role: Role) -> Caller {
        Caller::Known(Principal { name: "anna".into(), role })
    }

    #[test]
    fn who_may_is_admitted_and_who_may_not_is_told_whom_to_ask() {
        let path = "/ami.v1.InventoryService/CreateMeter";
        assert_eq!(admit(Some(&caller(Role::Engineer)), path).unwrap().name, "anna");
        let status = Status::from(admit(Some(&caller(Role::Operator)), path).unwrap_err());
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(
            status.message(),
            "anna is operator, but only engineer may call CreateMeter: ask one of them, or have the role changed"
        );
    }

    #[test]
    fn without_a_rule_or_a_name_nobody_is_admitted() {
        let status =
            Status::from(admit(Some(&caller(Role::Engineer)), "/ami.v1.JobsService/Drop").unwrap_err());
        assert_eq!(status.code(), Code::PermissionDenied);
        let status = Status::from(admit(None, "/ami.v1.JobsService/GetJob").unwrap_err());
        assert_eq!(status.code(), Code::Unauthenticated);
    }
}
