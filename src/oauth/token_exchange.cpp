#include "agw/oauth/token_exchange.h"

#include <algorithm>
#include <memory>
#include <sstream>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"

namespace agw::oauth {
namespace {

constexpr std::string_view exchange_grant = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr std::string_view access_token_type = "urn:ietf:params:oauth:token-type:access_token";
constexpr std::size_t max_error_code = 64;

json::Tree parse(std::string_view json) {
  if (json.find('\0') != std::string_view::npos) return nullptr;
  return json::read_tree(json);
}

std::string_view text_of(const json_t* value) {
  return json_is_string(value) ? std::string_view(json_string_value(value), json_string_length(value))
                               : std::string_view{};
}

}  // namespace

Result<HttpRequest, ExchangeError> exchange_request(const ExchangeQuestion& question, const ClientCredentials& client,
                                                    Random& random, WallTime now) {
  HttpRequest out;
  out.url = question.token_endpoint;
  out.headers = {{"Accept", "application/json"}};
  std::string body;
  append_form_field(body, "grant_type", exchange_grant);
  append_form_field(body, "subject_token", question.subject_token);
  append_form_field(body, "subject_token_type", access_token_type);
  append_form_field(body, "requested_token_type", access_token_type);
  append_form_field(body, "audience", question.audience);
  std::string scope;
  for (const auto& item : question.scopes) scope += (scope.empty() ? "" : " ") + item;
  if (!scope.empty()) append_form_field(body, "scope", scope);
  if (!fill_form_request(out, std::move(body), client, random, now)) return fail(ExchangeError::key_unusable);
  return out;
}

Result<ExchangeAnswer, ExchangeError> parse_exchange_answer(std::string_view json) {
  const json::Tree root = parse(json);
  const json_t* token = json_object_get(root.get(), "access_token");
  const json_t* issued = json_object_get(root.get(), "issued_token_type");
  const json_t* type = json_object_get(root.get(), "token_type");
  if (!json_is_string(token) || !json_is_string(issued) || !json_is_string(type))
    return fail(ExchangeError::malformed_answer);
  ExchangeAnswer out;
  out.token = Secret(std::string(text_of(token)));
  out.issued_token_type = text_of(issued);
  out.token_type = text_of(type);
  if (const json_t* scope = json_object_get(root.get(), "scope")) {
    if (!json_is_string(scope)) return fail(ExchangeError::malformed_answer);
    out.scope_named = true;
    std::istringstream words{std::string(text_of(scope))};
    for (std::string word; words >> word;) out.scopes.push_back(word);
  }
  if (const json_t* life = json_object_get(root.get(), "expires_in")) {
    if (!json_is_integer(life) || json_integer_value(life) <= 0) return fail(ExchangeError::malformed_answer);
    out.expires_in = json_integer_value(life);
  }
  return out;
}

std::string parse_error_code(std::string_view json) {
  const json::Tree root = parse(json);
  const std::string_view code = text_of(json_object_get(root.get(), "error"));
  const bool plain = std::all_of(code.begin(), code.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  return plain && code.size() <= max_error_code ? std::string(code) : std::string();
}

}  // namespace agw::oauth
