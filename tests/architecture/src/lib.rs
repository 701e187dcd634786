//! Every architecture rule as a test that names the offender.
