//! Traces and metrics of the running program, as an OTLP collector receives them: from the call of a client down to each exchange with a
//! meter.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod program;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::switch_service_client::SwitchServiceClient;
use ami_proto::v1::{
    Command, CommandState, DisconnectRequest, GetCommandRequest, OrderTerms, ReadNowRequest, RegistersTarget,
    read_now_request::Target,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use program::Program;
use simulator::{Fleet, FleetConfig, Security};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// The trace of the client, and the place in it from which it calls.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PLACE: &str = "b7ad6b7169203331";

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    /// Names of metrics.
    metrics: Arc<Mutex<BTreeSet<String>>>,
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let scopes =
            request.into_inner().resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        self.metrics.lock().unwrap().extend(scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name));
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes =
            request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Serves on a port of its own, to which it returns the address.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TraceServiceServer::new(self.clone());
        let incoming = TcpListenerStream::new(listener);
        let metrics = MetricsServiceServer::new(self.clone());
        let server = Server::builder().add_service(service).add_service(metrics);
        tokio::spawn(server.serve_with_incoming(incoming));
        format!("http://{address}")
    }

    /// The spans of the client's trace by their ids.
    fn trace(&self) -> BTreeMap<Vec<u8>, Span> {
        let spans = self.spans.lock().unwrap();
        let ours = spans.iter().filter(|span| hex(&span.trace_id) == TRACE);
        ours.map(|span| (span.span_id.clone(), span.clone())).collect()
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|pair| pair.key == key);
    match found.and_then(|pair| pair.value.as_ref()).and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// The names of a span and of those above it, the outermost last, which is the client.
fn path(trace: &BTreeMap<Vec<u8>, Span>, span: &Span) -> Vec<String> {
    let above = std::iter::successors(Some(span), |span| trace.get(&span.parent_span_id));
    above.map(|span| span.name.clone()).collect()
}

/// Reads all registers of a meter as a client that has a trace of its own.
async fn read_registers(program: &Program, serial: &str) -> i64 {
    let mut request = Request::new(ReadNowRequest {
        meter_serial: serial.to_owned(),
        target: Some(Target::Registers(RegistersTarget::default())),
        wait: None,
    });
    begin_trace(&mut request);
    let answer = ReadingsServiceClient::new(program.channel.clone()).read_now(request).await.unwrap();
    answer.into_inner().job.unwrap().id
}

/// Opens the load switch of a meter, likewise, and waits until that is over.
async fn disconnect(program: &Program, serial: &str) -> Command {
    let terms = Some(OrderTerms { idempotency_key: "k1".into(), ..Default::default() });
    let mut request = Request::new(DisconnectRequest { meter_serials: vec![serial.to_owned()], terms });
    begin_trace(&mut request);
    let answer = SwitchServiceClient::new(program.channel.clone()).disconnect(request).await.unwrap();
    let id = answer.into_inner().commands[0].id;
    let mut client = CommandsServiceClient::new(program.channel.clone());
    let begun = Instant::now();
    loop {
        let answer = client.get_command(GetCommandRequest { id }).await.unwrap().into_inner();
        let command = answer.command.unwrap();
        if command.finished_at.is_some() {
            return command;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{command:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn begin_trace<T>(request: &mut Request<T>) {
    request.metadata_mut().insert("traceparent", format!("00-{TRACE}-{PLACE}-01").parse().unwrap());
}

async fn fleet() -> Fleet {
    let mut config = FleetConfig::new(models::builtin().unwrap()["sed302"].clone());
    (config.security, config.history_days) = (Security::Gmac, 1);
    Fleet::start(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_and_every_exchange_with_the_meter_are_one_trace() {
    let (collector, fleet) = (Collector::default(), fleet().await);
    let endpoint = collector.serve().await;
    let program = Program::start(&format!("[telemetry]\notlp_endpoint = \"{endpoint}\"\n")).await;
    let serial = program.register(&fleet, 0).await;
    let job = read_registers(&program, &serial).await;
    program.stop().await;

    let trace = collector.trace();
    let call = trace.values().find(|span| hex(&span.parent_span_id) == PLACE).unwrap();
    assert_eq!(call.name, "/ami.v1.ReadingsService/ReadNow");
    let exchanges: Vec<&Span> = trace.values().filter(|span| span.name == "exchange").collect();
    for exchange in &exchanges {
        assert_eq!(path(&trace, exchange), ["exchange", "work", "job", "/ami.v1.ReadingsService/ReadNow"]);
        assert_eq!(attribute(exchange, "result"), "ok");
        assert!(attribute(exchange, "answer_octets").parse::<u32>().unwrap() > 0);
    }
    let asked = |service: &str| exchanges.iter().filter(|span| attribute(span, "service") == service).count();
    assert_eq!((asked("associate"), asked("prove")), (1, 1));
    let energy = exchanges
        .iter()
        .filter(|span| attribute(span, "logical_name") == "1.0.1.8.0.255")
        .collect::<Vec<_>>();
    assert!(
        energy
            .iter()
            .any(|span| (attribute(span, "class"), attribute(span, "index")) == ("3".into(), "2".into()))
    );
    let attempt = trace.values().find(|span| span.name == "job").unwrap();
    assert_eq!((attribute(attempt, "job"), attribute(attempt, "serial")), (job.to_string(), serial));

    let metrics = collector.metrics.lock().unwrap();
    for name in
        ["headend.api.call.duration", "headend.exchanges", "headend.jobs.ended", "headend.batch.reports"]
    {
        assert!(metrics.contains(name), "{metrics:?}");
    }
    let batches = collector.spans.lock().unwrap();
    let linked = batches.iter().filter(|span| span.name == "batch").flat_map(|span| &span.links);
    assert!(
        linked.into_iter().any(|link| hex(&link.trace_id) == TRACE),
        "the batch that ended the job is linked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_switch_is_one_trace_down_to_the_action() {
    let (collector, fleet) = (Collector::default(), fleet().await);
    let endpoint = collector.serve().await;
    let program = Program::start(&format!("[telemetry]\notlp_endpoint = \"{endpoint}\"\n")).await;
    let serial = program.register(&fleet, 0).await;
    let command = disconnect(&program, &serial).await;
    assert_eq!(command.state(), CommandState::Confirmed);
    program.stop().await;

    let trace = collector.trace();
    let exchanges = trace.values().filter(|span| span.name == "exchange");
    let actions: Vec<&Span> = exchanges.filter(|span| attribute(span, "service") == "action").collect();
    assert_eq!(actions.len(), 1, "{actions:?}");
    let above = ["exchange", "work", "job", "/ami.v1.SwitchService/Disconnect"];
    assert_eq!(path(&trace, actions[0]), above);
    // Disconnect control, remote_disconnect.
    assert_eq!((attribute(actions[0], "class"), attribute(actions[0], "index")), ("70".into(), "1".into()));
    let attempt = trace.values().find(|span| span.name == "job").unwrap();
    assert_eq!(attribute(attempt, "command"), command.id.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_caller_does_not_keep_is_not_sent() {
    let (collector, fleet) = (Collector::default(), fleet().await);
    let endpoint = collector.serve().await;
    let sections = format!("[telemetry]\notlp_endpoint = \"{endpoint}\"\nsample_per_mille = 0\n");
    let program = Program::start(&sections).await;
    let serial = program.register(&fleet, 0).await;
    read_registers(&program, &serial).await;
    program.stop().await;
    let spans = collector.spans.lock().unwrap();
    assert!(!spans.is_empty(), "the client's own trace is kept");
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE), "nothing else is");
}
