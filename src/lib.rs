//! An operator that runs applications from Helm charts.
