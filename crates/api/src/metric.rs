//! The recorder behind every counter: what other crates count, rendered for Prometheus.

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// The metrics of this process.
#[derive(Debug, Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Makes this the recorder of the process, once.
    ///
    /// Errors: there is one already.
    pub fn install() -> Result<Self, BuildError> {
        Ok(Self { handle: PrometheusBuilder::new().install_recorder()? })
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        self.handle.render()
    }
}
