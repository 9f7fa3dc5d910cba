//! Monitoring: alerts are for the province's statisticians, and what the command says of them.

use std::{fs, process::Command};

use huren_core::codes::Region;
use huren_proto::v1::{
    self, monitoring_service_client::MonitoringServiceClient,
    operator_service_client::OperatorServiceClient,
};
use serde_json::Value;
use tonic::Code;

use crate::support::{
    callers::calls_with,
    nodes::{HUREN, Node, Nodes, until},
    refusal::check,
    samples::Sample,
};

fn issued(number: &str) -> v1::SubmitRequest {
    let sample = Sample {
        number,
        name: "张三",
        id: "11010519491231002X",
    };
    sample.submission()
}

fn asked() -> v1::ListAlertsRequest {
    v1::ListAlertsRequest {
        from_day: 20_240_301,
        to_day: 20_240_331,
        ..Default::default()
    }
}

async fn token(node: &Node, region: &str) -> String {
    let order = v1::CreateTokenRequest {
        name: "监测".into(),
        roles: vec!["statistician".into()],
        regions: vec![region.into()],
        valid_seconds: 600,
        ..Default::default()
    };
    let mut operator = OperatorServiceClient::new(node.channel());
    let made = operator.create_token(order).await;
    made.unwrap().into_inner().token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_are_for_the_province_s_statisticians_with_their_leaves() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    for number in ["S000033010006243000001", "S000033010006243000020"] {
        node.issuance().submit(issued(number)).await.unwrap();
    }
    let of_province = token(node, "33").await;
    let mut statistician = MonitoringServiceClient::new(calls_with(node, Some(&of_province)));
    until("the certificates to be counted", async || {
        let answer = statistician.list_alerts(asked()).await;
        let counted = answer.unwrap().into_inner().counted;
        counted.get(&node.origin) == Some(&node.size().await)
    })
    .await;
    let answer = statistician.list_alerts(asked()).await;
    let alerts = answer.unwrap().into_inner().alerts;
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].reason.as_ref().unwrap().code, "SERIAL_GAP");
    assert_eq!(alerts[0].about["missing"], "18");

    let operator = MonitoringServiceClient::new(node.channel());
    let refused = operator.clone().list_alerts(asked()).await;
    check(refused, Code::PermissionDenied, "CALLER_NOT_STATISTICIAN");
    let of_city = token(node, "3302").await;
    let mut of_city = MonitoringServiceClient::new(calls_with(node, Some(&of_city)));
    let refused = of_city.list_alerts(asked()).await;
    check(refused, Code::PermissionDenied, "MONITORING_REGION");
    // Its own institutions are for it to look at: the directory has none there.
    let own = v1::ListAlertsRequest {
        region: "3302".into(),
        ..asked()
    };
    let alerts = of_city.list_alerts(own).await.unwrap().into_inner().alerts;
    assert_eq!(alerts, []);
    type Change = fn(&mut v1::ListAlertsRequest);
    let bad: [(&str, Change); 5] = [
        ("INSTITUTION_FORMAT", |asked| {
            asked.institution = "S0000".into()
        }),
        ("DATE_INVALID", |asked| asked.from_day = 20_240_230),
        ("PERIOD_INVALID", |asked| asked.to_day = 20_240_401),
        ("REGION_UNKNOWN", |asked| asked.region = "83".into()),
        ("PAGE_SIZE", |asked| asked.page_size = 201),
    ];
    for (code, change) in bad {
        let mut request = asked();
        change(&mut request);
        let refused = statistician.list_alerts(request).await;
        check(refused, Code::InvalidArgument, code);
    }

    let file = nodes.folder.path().join("token");
    fs::write(&file, &of_province).unwrap();
    private(&file);
    let run = |more: &[&str]| {
        let mut command = Command::new(HUREN);
        command.args(["monitor", "--dir"]).arg(&node.dir);
        command.arg("--token").arg(&file).args(more);
        command.output().expect("a process")
    };
    let march = ["--from", "20240301", "--to", "20240331"];
    let output = run(&march);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("20240301  S000033010006  SERIAL_GAP"),
        "{text}"
    );
    assert!(text.contains("1 条提示 / 1 alerts"), "{text}");
    assert!(
        text.contains(&format!("looked at up to  {}", node.origin)),
        "{text}"
    );
    let output = run(&[march.as_slice(), &["--json"]].concat());
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["leaf_count"], 2);
    assert_eq!(value["leaves"][0]["origin"], node.origin);
    let output = run(&["--from", "20240401", "--to", "20240430"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[cfg(unix)]
fn private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}
