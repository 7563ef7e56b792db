//! The one place that touches people's model files.
