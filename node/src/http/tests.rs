//! A real listener, plain and with TLS.

use axum::{
    body::Bytes,
    routing::{get, post},
};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncReadExt, net::TcpStream, sync::oneshot};

use super::*;
use crate::engine::SystemRandom;

const LIMITS: RequestLimits = RequestLimits {
    body_bytes: 1024,
    timeout: Duration::from_secs(5),
};

struct TestServer {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl TestServer {
    async fn start(routes: Router, limits: RequestLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(serve(
            listener,
            with_limits(routes, limits, Arc::new(SystemRandom)),
            None,
            stop.clone(),
        ));
        tasks.close();
        Self {
            address,
            stop,
            tasks,
        }
    }

    async fn send(&self, request: http::Request<Full<Bytes>>) -> http::Response<Bytes> {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp))
            .await
            .unwrap();
        self.tasks.spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        http::Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    async fn get(&self, path: &str) -> http::Response<Bytes> {
        self.send(http::Request::get(path).body(Full::default()).unwrap())
            .await
    }
}

#[tokio::test]
async fn handlers_know_the_client_and_unknown_paths_are_not_found() {
    let whoami =
        |ConnectInfo(address): ConnectInfo<SocketAddr>| async move { address.ip().to_string() };
    let server = TestServer::start(Router::new().route("/whoami", get(whoami)), LIMITS).await;
    assert_eq!(server.get("/whoami").await.body(), "127.0.0.1");
    assert_eq!(server.get("/other").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn long_urls_and_bodies_are_refused() {
    let routes = Router::new().route("/length", post(async |body: Bytes| body.len().to_string()));
    let server = TestServer::start(routes, LIMITS).await;
    let long = format!("/length?{}", "x".repeat(MAX_URI_LEN));
    assert_eq!(server.get(&long).await.status(), StatusCode::URI_TOO_LONG);
    for (length, expected) in [
        (1024, StatusCode::OK),
        (1025, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let request = http::Request::post("/length")
            .body(Full::from(vec![0; length]))
            .unwrap();
        assert_eq!(server.send(request).await.status(), expected);
    }
}

#[tokio::test]
async fn a_handler_that_never_answers_is_cut_off() {
    let routes = Router::new().route("/never", get(std::future::pending::<()>));
    let limits = RequestLimits {
        timeout: Duration::from_millis(1),
        ..LIMITS
    };
    let server = TestServer::start(routes, limits).await;
    assert_eq!(
        server.get("/never").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn what_is_bounded_before_a_call_of_the_json_api_is_a_problem_too() {
    let routes = Router::new().route("/never", get(std::future::pending::<()>));
    let limits = RequestLimits {
        timeout: Duration::from_millis(1),
        ..LIMITS
    };
    let server = TestServer::start(Router::new().nest(api::PREFIX, routes), limits).await;
    let never = format!("{}/never", api::PREFIX);
    let long = format!("{never}?{}", "x".repeat(MAX_URI_LEN));
    for (path, status, code) in [(never, 504, "TIMED_OUT"), (long, 414, "URI_TOO_LONG")] {
        let answer = server.get(&path).await;
        assert_eq!(answer.status(), status);
        assert_eq!(
            answer.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(problem["code"], code);
    }
}

#[tokio::test]
async fn stopping_lets_a_request_finish_and_closes_idle_connections() {
    let (entered, is_inside) = oneshot::channel::<()>();
    let (release, released) = oneshot::channel::<()>();
    let once = std::sync::Mutex::new(Some((entered, released)));
    let handler = async move || {
        let taken = once.lock().unwrap().take();
        let (entered, released) = taken.unwrap();
        entered.send(()).unwrap();
        released.await.unwrap();
        "finished"
    };
    let server = {
        let handler = Arc::new(handler);
        let routes = Router::new().route(
            "/slow",
            get(move || {
                let handler = handler.clone();
                async move { handler().await }
            }),
        );
        TestServer::start(routes, LIMITS).await
    };
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let stopping = async {
        is_inside.await.unwrap();
        server.stop.cancel();
        assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
        release.send(()).unwrap();
    };
    let (response, ()) = tokio::join!(server.get("/slow"), stopping);
    assert_eq!(response.body(), "finished");
    server.tasks.wait().await;
}

#[tokio::test]
async fn readiness_names_the_obstacles() {
    struct Fixed(Vec<health::Obstacle>);
    #[async_trait::async_trait]
    impl health::Readiness for Fixed {
        async fn obstacles(&self) -> Vec<health::Obstacle> {
            self.0.clone()
        }
    }
    let metrics = crate::telemetry::collect_metrics().unwrap();
    let disk = health::Obstacle {
        code: "STORE_FULL",
        zh: "磁盘已满".into(),
        en: "disk full".into(),
    };
    for (obstacles, status) in [(vec![], 200), (vec![disk], 503)] {
        let ready = obstacles.is_empty();
        let routes = health::routes(Arc::new(Fixed(obstacles)), metrics.clone());
        let server = TestServer::start(routes, LIMITS).await;
        assert_eq!(server.get("/livez").await.status(), 200);
        let response = server.get("/readyz").await;
        assert_eq!(response.status(), status);
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["ready"], ready);
        assert_eq!(body["obstacles"].as_array().unwrap().is_empty(), ready);
        let response = server.get("/metrics").await;
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(
            text.contains("huren_http_requests_total{route=\"/livez\",status=\"200\"}"),
            "{text}"
        );
    }
}
