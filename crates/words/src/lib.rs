//! The words of mail: addresses, envelopes, headers, status codes, reports.
