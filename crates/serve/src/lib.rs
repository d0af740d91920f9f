//! The mail protocols' doors: a pure session and its answers.
