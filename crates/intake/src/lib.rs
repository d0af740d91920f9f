//! Acceptance: limits, policy, trace headers, the class of each recipient.
