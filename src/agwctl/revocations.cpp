// What is revoked, stopped or disabled in a store.
#include <algorithm>

#include "arguments.h"
#include "commands.h"
#include "failure.h"
#include "json_text.h"
#include "keys.h"
#include "store_connections.h"
#include "table.h"

namespace agw::agwctl {
namespace {

struct Row {
  std::string what;  ///< `user`, `jti`, `stop` …
  std::string whose;
  std::string how;    ///< `revoked`, `issued before 2026-…`
  std::string by;     ///< `hand`, `policy`
  std::string until;  ///< empty: it holds until it is lifted
  std::string reason;
};

std::string text_of(const grants::Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string() : found->second;
}

bool is_on(const grants::Fields& fields, std::string_view name) {
  const std::string text = text_of(fields, name);
  return text == "true" || text == "1";
}

void add_fields(const std::string& name, const grants::Fields& fields, std::vector<Row>& rows) {
  const std::size_t colon = name.find(':');
  const std::string what = name.substr(0, colon);
  const std::string whose = colon == std::string::npos ? "" : name.substr(colon + 1);
  const bool may_be_revoked =
      what == "tenant" || what == "user" || what == "agent" || what == "client" || what == "tier" || what == "issuer";
  if (!may_be_revoked) return;
  const auto add = [&](std::string how, const char* by) { rows.push_back({what, whose, std::move(how), by, "", ""}); };
  if (is_on(fields, grants::stop_all_field)) add("stopped, as all tenants", "hand");
  if (is_on(fields, grants::stop_field)) add("stopped", "hand");
  if (is_on(fields, grants::revoked_field)) add("revoked", "hand");
  for (const std::string_view field : {grants::revoked_before_field, grants::revoked_all_field})
    if (const auto time = text_of(fields, field); !time.empty()) add("issued before " + time, "hand");
  for (const auto& [field, value] : fields)
    if (field.starts_with(grants::revoked_key_prefix))
      add("key " + field.substr(grants::revoked_key_prefix.size()), "hand");
  const std::string status = text_of(fields, "status");
  if (status == "disabled" || status == "quarantined") add(status, "policy");
  if (const auto time = text_of(fields, "not_before"); !time.empty()) add("issued before " + time, "policy");
  if (const auto keys = text_of(fields, "revoked_keys"); !keys.empty()) add("keys " + keys, "policy");
}

std::string end_of(const RedisReply& left) {
  if (left.type != RedisReply::Type::integer || left.integer < 0) return {};
  return format_rfc3339(std::chrono::floor<Seconds>(now() + Milliseconds(left.integer)));
}

void add_tokens(RedisConnection& redis, const std::string& tenant, std::vector<Row>& rows) {
  const std::string prefix = grants::policy_key(tenant, "revoked:");
  for (const std::string& key : keys_matching(redis, prefix + "*")) {
    const auto replies = redis.ask({{"PTTL", key}, {"GET", key}});
    const std::string rest = key.substr(prefix.size());
    const std::size_t colon = rest.find(':');
    if (colon == std::string::npos) continue;
    const RedisReply& reason = replies[1];
    rows.push_back({rest.substr(0, colon), rest.substr(colon + 1), "revoked", "hand", end_of(replies[0]),
                    reason.type == RedisReply::Type::text ? reason.text : std::string()});
  }
}

}  // namespace

int list_revocations(const RevocationsOptions& options, std::ostream& out) {
  StoreConnections stores(redis_options(options.store));
  for (const auto& tenant : options.tenants) expect_tenant(tenant);
  std::vector<std::string> lists;
  for (const std::string& tenant : options.tenants.empty() ? stores.tenants() : options.tenants) {
    RedisConnection& redis = stores.of(tenant);
    std::vector<Row> rows;
    for (const auto& [name, fields] : keys_of(redis, tenant)) add_fields(name, fields, rows);
    add_tokens(redis, tenant, rows);
    std::vector<std::string> json;
    Table table({"WHAT", "WHOSE", "HOW", "BY", "UNTIL", "REASON"});
    for (const Row& row : rows) {
      table.add({row.what, row.whose, row.how, row.by, row.until.empty() ? "lifted" : row.until, row.reason});
      json.push_back(JsonObject()
                         .text("what", row.what)
                         .text_if("whose", row.whose)
                         .text("how", row.how)
                         .text("by", row.by)
                         .text_if("until", row.until)
                         .text_if("reason", row.reason)
                         .str());
    }
    lists.push_back(JsonObject().text("tenant", tenant).raw("revocations", json_array(json)).str());
    if (options.json) continue;
    out << "tenant " << tenant << (rows.empty() ? ": nothing is revoked\n" : "\n");
    if (!rows.empty()) table.print(out);
  }
  if (options.json) out << JsonObject().raw("tenants", json_array(lists)).str() << "\n";
  return exit_ok;
}

}  // namespace agw::agwctl
