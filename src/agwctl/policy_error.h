// A policy file that is good, or a Failure that says where it isn't.
#pragma once

#include <memory>
#include <string>

#include "agw/grants/policy_file.h"

namespace agw::agwctl {

/// Throws Failure: `FILE:LINE: …` for syntax, `FILE: PATH …` for content.
[[nodiscard]] std::shared_ptr<const grants::CompiledPolicy> read_policy_file(const std::string& file);

}  // namespace agw::agwctl
