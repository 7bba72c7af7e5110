// One text for every way of writing the same JSON value.
#pragma once

#include <string>

#include "agw/json/document.h"

namespace agw::json {

/// RFC 8785 but for two points: members stand in the order of their names' UTF-8 bytes, and numbers stay as they were
/// written, so that two that some reader tells apart (beyond 2^53, or 1 and 1.0) never become one text.
void append_canonical(std::string& out, const Value& value);

}  // namespace agw::json
