//! The recorder behind every counter: what other crates count, rendered for Prometheus.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use mailwright_words::metric::{Kind, METRICS, Metric};

/// The metrics of this process.
#[derive(Debug, Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Makes this the recorder of the process, once, and tells it what each metric means.
    ///
    /// Errors: there is one already.
    pub fn install() -> Result<Self, BuildError> {
        let mut builder = PrometheusBuilder::new();
        for metric in METRICS {
            if let Kind::Histogram(bounds) = metric.kind {
                let name = Matcher::Full(metric.name.to_owned());
                builder = builder.set_buckets_for_metric(name, bounds)?;
            }
        }
        let handle = builder.install_recorder()?;
        METRICS.iter().for_each(describe);
        Ok(Self { handle })
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        // What waits to be sorted into buckets.
        self.handle.run_upkeep();
        self.handle.render()
    }
}

fn describe(metric: &Metric) {
    let (name, meaning) = (metric.name, metric.meaning.trim());
    match metric.kind {
        Kind::Counter => metrics::describe_counter!(name, meaning),
        Kind::Gauge => metrics::describe_gauge!(name, meaning),
        Kind::Histogram(_) => metrics::describe_histogram!(name, meaning),
    }
}
