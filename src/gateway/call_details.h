// What conditions ask a call for: its arguments, from the bytes that go on, and what the host knows of it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/gateway/call.h"
#include "agw/gateway/location.h"
#include "agw/gateway/request.h"
#include "agw/json/document.h"
#include "agw/mcp/resource_uri.h"
#include "agw/policy/argument_details.h"
#include "agw/rest/path.h"

namespace agw::gateway {

/// Reads nothing before a condition asks. Lives on the stack between two suspensions, since the worker's document does.
class CallDetails final : public policy::ArgumentDetails {
 public:
  CallDetails(const Location& location, const Request& request, std::string_view body, json::Document& document,
              const Call& call, const FurtherSubject* further = nullptr) noexcept
      : location_(location), request_(request), body_(body), document_(document), call_(call), further_(further) {}

  [[nodiscard]] Answered<std::string_view> method() const override;
  [[nodiscard]] Answered<std::string_view> tool() const override;
  [[nodiscard]] Answered<std::string_view> client_ip() const override;
  [[nodiscard]] Answered<std::string_view> variable(const HostVariable& variable) const override;

 private:
  using Value = policy::ArgumentValue;
  /// Where arguments are, read once.
  struct Sources {
    bool readable = true;  ///< the JSON
    std::optional<json::Value> json;
    std::vector<mcp::UriCapture> captures;  ///< of a resource's URI
    bool query_readable = true;
    std::vector<rest::QueryParameter> query;
  };

  /// The task as whose making it is judged; null: it is judged as it is.
  [[nodiscard]] const MadeTask* made() const noexcept;
  [[nodiscard]] const Value* find(const ArgumentPath& path) const override;
  [[nodiscard]] const Sources& sources() const;
  [[nodiscard]] Sources read_mcp() const;
  [[nodiscard]] Sources read_made(const MadeTask& made) const;
  [[nodiscard]] Sources read_rest() const;
  [[nodiscard]] Value in_request(const ArgumentPath& path) const;
  [[nodiscard]] static Value in_json(const Sources& sources, const ArgumentPath& path, std::size_t from);

  const Location& location_;
  const Request& request_;
  std::string_view body_;
  json::Document& document_;
  const Call& call_;
  const FurtherSubject* further_;  ///< null: it is the call's own subject that is judged
  mutable std::optional<Sources> sources_;
  /// Made for the first that asks. Its values stay where they are: answers are views of them.
  mutable std::optional<std::map<ArgumentPath, Value>> found_;
};

}  // namespace agw::gateway
