#include "agw/json/canonical.h"

#include <algorithm>
#include <vector>

#include "agw/base/encoding.h"

namespace agw::json {
namespace {

void append_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

void append_object(std::string& out, const Value& object) {
  std::vector<Value> members;
  members.reserve(object.size());
  for (const Value member : object) members.push_back(member);
  std::ranges::sort(members, {}, &Value::key);
  out += '{';
  bool first = true;
  for (const Value& member : members) {
    if (!first) out += ',';
    first = false;
    append_string(out, member.key());
    out += ':';
    append_canonical(out, member);
  }
  out += '}';
}

void append_array(std::string& out, const Value& array) {
  out += '[';
  bool first = true;
  for (const Value element : array) {
    if (!first) out += ',';
    first = false;
    append_canonical(out, element);
  }
  out += ']';
}

}  // namespace

// As deep as the reader's limit on depth allows.
// NOLINTNEXTLINE(misc-no-recursion)
void append_canonical(std::string& out, const Value& value) {
  switch (value.kind()) {
    case Kind::object: return append_object(out, value);
    case Kind::array: return append_array(out, value);
    case Kind::string: return append_string(out, value.text());
    case Kind::number:
    case Kind::boolean:
    case Kind::null: out += value.raw(); return;
  }
}

}  // namespace agw::json
