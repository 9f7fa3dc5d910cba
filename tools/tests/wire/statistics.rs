//! Statistics: figures about few are for the region's statisticians, and every form of output.

use std::process::Command;

use huren_core::codes::Region;
use huren_proto::v1::{
    self, StatisticsBasis, StatisticsDimension, operator_service_client::OperatorServiceClient,
    statistics_service_client::StatisticsServiceClient,
};
use serde_json::Value;
use tonic::Code;

use crate::support::{
    callers::calls_with,
    nodes::{HUREN, Node, Nodes, until},
    refusal::check,
    samples::Sample,
};

const ISSUED: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "张三",
    id: "11010519491231002X",
};

type Change = fn(&mut v1::GetStatisticsRequest);

fn asked(region: &str, exact: bool) -> v1::GetStatisticsRequest {
    v1::GetStatisticsRequest {
        basis: StatisticsBasis::Activity.into(),
        region: region.into(),
        by: vec![
            StatisticsDimension::Level.into(),
            StatisticsDimension::Year.into(),
        ],
        from_month: 202_401,
        to_month: 202_512,
        exact,
        ..Default::default()
    }
}

fn stats(node: &Node, more: &[&str]) -> String {
    let mut command = Command::new(HUREN);
    command.args(["stats", "--dir"]).arg(&node.dir).args(more);
    let output = command.output().expect("a process");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_about_few_are_for_statisticians_of_the_region() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    node.issuance().submit(ISSUED.submission()).await.unwrap();
    let mut operator = OperatorServiceClient::new(node.channel());
    let order = |roles: &[&str]| v1::CreateTokenRequest {
        name: "统计".into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        regions: vec!["33".into()],
        valid_seconds: 600,
        ..Default::default()
    };
    let made = operator.create_token(order(&["statistician"])).await;
    let token = made.unwrap().into_inner().token;
    let mut statistician = StatisticsServiceClient::new(calls_with(node, Some(&token)));
    let public = StatisticsServiceClient::new(node.channel());

    until("the certificate to be counted", async || {
        let answer = public.clone().get_statistics(asked("", false)).await;
        let counted = answer.unwrap().into_inner().counted;
        counted.values().any(|size| *size > 0) && {
            let size = node.size().await;
            counted[&node.origin] == size
        }
    })
    .await;
    // The certificate names no region: under none of them it is counted.
    let answer = public.clone().get_statistics(asked("", false)).await;
    let table = answer.unwrap().into_inner();
    assert_eq!(table.rows.len(), 2);
    assert!(
        table
            .rows
            .iter()
            .all(|row| row.suppressed && row.certificates == 0)
    );
    assert!(table.total.unwrap().suppressed);
    let answer = statistician.get_statistics(asked("33", true)).await;
    assert_eq!(answer.unwrap().into_inner().rows, []);

    for region in ["", "31"] {
        let refused = statistician.get_statistics(asked(region, true)).await;
        check(refused, Code::PermissionDenied, "STATISTICS_EXACT");
    }
    let refused = public.clone().get_statistics(asked("33", true)).await;
    check(refused, Code::PermissionDenied, "STATISTICS_EXACT");
    let bad: [(&str, Change); 7] = [
        ("STATISTICS_BASIS", |asked| asked.basis = 0),
        ("STATISTICS_DIMENSION", |asked| asked.by.push(5)),
        ("STATISTICS_DIMENSION", |asked| asked.by.push(77)),
        ("REGION_UNKNOWN", |asked| asked.region = "83".into()),
        ("MONTH_INVALID", |asked| asked.to_month = 202_613),
        ("STATISTICS_MONTHS", |asked| asked.to_month = 202_312),
        ("PAGE_SIZE", |asked| asked.page_size = 10_001),
    ];
    for (code, change) in bad {
        let mut request = asked("", false);
        change(&mut request);
        let refused = public.clone().get_statistics(request).await;
        check(refused, Code::InvalidArgument, code);
    }

    let args = ["--by", "level,year", "--from", "202401", "--to", "202512"];
    let form = |form: &str| stats(node, &[args.as_slice(), &["--format", form]].concat());
    let table = form("table");
    assert!(table.contains("合计 total  人数过少"));
    assert!(table.contains(&format!("counted up to  {}", node.origin)));
    let csv = form("csv");
    let mut lines = csv.lines();
    let head = "level,period,certificates_new,certificates,persons_new,persons";
    assert_eq!(lines.next(), Some(head));
    assert_eq!(lines.next(), Some("4,202412,,,,"));
    let value: Value = form("json").parse().unwrap();
    assert_eq!(value["rows"][1]["suppressed"], true);
    assert_eq!(value["rows"][1]["persons"], Value::Null);
    assert!(value["counted"][&node.origin].as_u64() > Some(0));
    let map: Value = form("geojson").parse().unwrap();
    assert_eq!(map["type"], "FeatureCollection");
    assert_eq!(map["features"][0]["properties"]["period"], 202_412);
}
