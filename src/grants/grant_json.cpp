#include "grant_json.h"

#include <utility>

#include "agw/base/encoding.h"
#include "agw/model/pattern.h"

namespace agw::grants {
namespace {

std::string read_pattern(const Node& node, const char* example) {
  std::string pattern = node.text();
  if (!is_pattern(pattern))
    node.fail_with("must be exact or end in * right after : / or . ; write for example " + std::string(example));
  return pattern;
}

/// The members of one object, one after the other.
class Members {
 public:
  Members(std::string& out, std::string_view gap) : out_(out), gap_(gap) {}
  void raw(std::string_view key, std::string_view json) {
    if (!std::exchange(first_, false)) (out_ += ',') += gap_;
    ((out_ += json_quoted(key)) += ':') += gap_;
    out_ += json;
  }
  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) raw(key, json_quoted(value));
  }
  void list(std::string_view key, const std::vector<std::string>& values) {
    std::string json = "[";
    for (const auto& value : values) {
      if (json.size() > 1) (json += ',') += gap_;
      json += json_quoted(value);
    }
    if (!values.empty()) raw(key, json + "]");
  }

 private:
  std::string& out_;
  std::string_view gap_;
  bool first_ = true;
};

}  // namespace

Grant read_grant(const Node& node, GrantKind kind) {
  Grant out;
  out.operation = read_pattern(node.required("operation"), "tickets/ticket.read or tickets/*");
  const std::string effect = node.text_or("effect", "allow");
  if (effect != "allow" && effect != "deny") node.required("effect").fail_with("must be allow or deny");
  out.effect = effect == "allow" ? Effect::allow : Effect::deny;
  if (const auto resource = node.member("resource")) out.resource = read_pattern(*resource, "ticket:T-1 or ticket:*");
  if (const auto whom = node.member("for"); whom && kind == GrantKind::grant) {
    whom->each_element([&](const Node& item) {
      const std::string text = item.text();
      if (text == machine_whom) return out.for_whom.push_back(text);
      const std::size_t colon = text.find(':');
      const std::string holder = text.substr(0, colon);
      if (colon == std::string::npos || (holder != "user" && holder != "group") ||
          !is_principal_id(text.substr(colon + 1)))
        item.fail_with("must name a user or a group, as user:company|mira or group:company|support, or be machine");
      out.for_whom.push_back(text);
    });
    if (out.for_whom.empty()) whom->fail_with("is empty; leave it out for everybody");
  }
  if (const auto when = node.member("when")) out.when = read_condition(*when);
  out.since = node.time_if("since");
  out.until = node.time_if("until");
  out.by = node.text_or("by");
  out.reason = node.text_or("reason");
  out.ticket = node.text_or("ticket");
  return out;
}

void append_grant_members(std::string& out, const Grant& grant, std::string_view gap) {
  Members members(out, gap);
  members.text("operation", grant.operation);
  if (grant.effect == Effect::deny) members.text("effect", "deny");
  if (grant.resource) members.text("resource", *grant.resource);
  members.list("for", grant.for_whom);
  if (grant.when) members.text("when", grant.when->text());
  if (grant.since) members.text("since", format_rfc3339(*grant.since));
  if (grant.until) members.text("until", format_rfc3339(*grant.until));
  members.text("by", grant.by);
  members.text("reason", grant.reason);
  members.text("ticket", grant.ticket);
}

ConditionPtr read_condition(const Node& node) {
  auto condition = Condition::compile(node.text());
  if (!condition) node.fail_with(condition.error());
  return *std::move(condition);
}

Status read_status(const Node& node, bool may_be_quarantined) {
  const std::string text = node.text_or("status", "active");
  if (text == "active") return Status::active;
  if (text == "disabled") return Status::disabled;
  if (text == "quarantined" && may_be_quarantined) return Status::quarantined;
  node.required("status").fail_with(may_be_quarantined ? "must be active, disabled or quarantined"
                                                       : "must be active or disabled");
}

std::string_view to_string(Status status) noexcept {
  switch (status) {
    case Status::active: return "active";
    case Status::disabled: return "disabled";
    case Status::quarantined: return "quarantined";
  }
  return "disabled";
}

}  // namespace agw::grants
