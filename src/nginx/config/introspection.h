// agent_introspect, agent_introspect_context and agent_single_use of one location.
#pragma once

#include "settings.h"

namespace agw::nginx {

/// Behind agent_trust: what is asked hangs on the issuers.
void compile_introspection(const LocSettings& settings, gateway::Location& location, Problems& problems);

}  // namespace agw::nginx
