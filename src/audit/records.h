// The chain's own records, which look like events.
#pragma once

#include <string>

#include "control.h"

namespace agw::audit {

/// Appends the record of a batch that holds no events, without its tail and closing brace.
/// `before` is the chain's state before it.
void append_record(std::string& out, const Batch& batch, const ChainState& before);

}  // namespace agw::audit
