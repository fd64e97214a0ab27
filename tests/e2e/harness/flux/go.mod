module tests/e2e/harness/flux

go 1.26.2

require github.com/fluxcd/source-controller v1.9.3
