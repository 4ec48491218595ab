"""The names a user meets, in one place."""

GROUP = "hostport.dev"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"

AUTO = "hostport/auto"
POOL = "hostport/pool"
PORTS = "hostport/ports"
REQUEST = "hostport/request"
PREFER = "hostport/prefer"
CONTIGUOUS = "hostport/contiguous"
PASSTHROUGH = "hostport/passthrough"
ENV = "hostport/env"
ROLLOUT = "hostport/rollout"
PER_POD = "hostport/per-pod"
ASSIGNED = "hostport/assigned"
ROLLOUT_WAS = "hostport/rollout-was"
ENV_ADDED = "hostport/env-added"
AFFINITY_WAS = "hostport/affinity-was"
# What the operator itself writes; all other `hostport/` keys are the user's.
NOTES = frozenset({ASSIGNED, ROLLOUT_WAS, ENV_ADDED, AFFINITY_WAS})

FINALIZER = f"{GROUP}/leases"
REPORTER = f"{GROUP}/operator"
# The field manager that the API server makes of our User-Agent.
MANAGER = "hostport-operator"
POOL_LABEL = f"{GROUP}/pool"

# Source: pod-security-admission/api/constants.go.
POD_SECURITY_ENFORCE = "pod-security.kubernetes.io/enforce"
