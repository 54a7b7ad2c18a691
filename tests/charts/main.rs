//! Charts that other people wrote, run as HelmApps: installed, changed, rolled back, removed.
//!
//! They are read where HELMAPP_CORPUS says; where they are not, each test prints `corpus: not run` and why.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that can't go on fails"
)]

#[allow(dead_code, unreachable_pub, reason = "the tests of the flow use the rest")]
#[path = "../e2e/fixture.rs"]
mod fixture;
mod lifecycle;
#[path = "../support/mod.rs"]
mod support;

use serde_json::json;

use lifecycle::{Case, Plane};

macro_rules! charts {
    ($($name:ident: $chart:literal, $plane:ident, $values:tt => $changed:tt;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let case = Case {
                    name: stringify!($name),
                    chart: $chart,
                    plane: Plane::$plane,
                    values: json!($values),
                    changed: json!($changed),
                };
                lifecycle::run(case).await;
            }
        )*
    };
}

charts! {
    alertmanager: "alertmanager-1.42.0.tgz", Shared, {} => {"replicaCount": 2};
    argo_cd: "argo-cd-10.1.1.tgz", Own, {} => {"server": {"replicas": 2}};
    cassandra: "cassandra-12.3.13.tgz", Shared, {"dbUser": {"password": "made-up"}}
        => {"podAnnotations": {"changed": "yes"}};
    etcd: "etcd-0.7.7.tgz", Shared, {"replicas": 1} => {"replicas": 2};
    grafana: "grafana-12.11.1.tgz", Shared, {"adminPassword": "made-up"} => {"replicas": 2};
    haproxy: "haproxy-1.29.0.tgz", Shared, {} => {"replicaCount": 2};
    influxdb2: "influxdb2-2.1.2.tgz", Shared, {"adminUser": {"password": "made-up", "token": "made-up"}}
        => {"podAnnotations": {"changed": "yes"}};
    ingress_nginx: "ingress-nginx-4.15.1.tgz", Own, {} => {"controller": {"replicaCount": 2}};
    kafka: "kafka-0.21.5.tgz", Shared, {"replicas": 1, "zookeeper": {"enabled": false, "url": "zookeeper"}}
        => {"replicas": 2};
    kube_state_metrics: "kube-state-metrics-8.4.0.tgz", Shared, {} => {"replicas": 2};
    mariadb: "mariadb-23.0.1.tgz", Shared, {"auth": {"rootPassword": "made-up"}}
        => {"primary": {"podAnnotations": {"changed": "yes"}}};
    memcached: "memcached-8.0.0.tgz", Shared, {} => {"podAnnotations": {"changed": "yes"}};
    minio: "minio-17.0.23.tgz", Shared, {"auth": {"rootPassword": "made-up-password"}}
        => {"podAnnotations": {"changed": "yes"}};
    mongodb: "mongodb-17.0.2.tgz", Shared, {"auth": {"rootPassword": "made-up"}}
        => {"podAnnotations": {"changed": "yes"}};
    oauth2_proxy: "oauth2-proxy-10.7.0.tgz", Shared, {} => {"replicaCount": 2};
    postgresql: "postgresql-17.1.0.tgz", Shared, {"auth": {"postgresPassword": "made-up"}}
        => {"primary": {"podAnnotations": {"changed": "yes"}}};
    prometheus: "prometheus-29.27.0.tgz", Shared, {} => {"server": {"podAnnotations": {"changed": "yes"}}};
    redis: "redis-23.1.1.tgz", Shared, {"auth": {"password": "made-up"}} => {"replica": {"replicaCount": 2}};
    zookeeper: "zookeeper-13.8.8.tgz", Shared, {} => {"replicaCount": 2};
}
