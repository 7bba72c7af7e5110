#include "agw/mcp/error.h"

#include "agw/base/encoding.h"

namespace agw::mcp {

std::string error_body(std::string_view id, int code, std::string_view message, std::string_view data) {
  std::string out = R"({"jsonrpc":"2.0","id":)";
  out += id.empty() ? "null" : id;
  out += R"(,"error":{"code":)" + std::to_string(code) + R"(,"message":)" + json_quoted(message);
  if (!data.empty()) {
    out += R"(,"data":)";
    out += data;
  }
  out += "}}";
  return out;
}

}  // namespace agw::mcp
