#include "agw/oauth/introspection.h"

#include <cstdlib>
#include <memory>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"

namespace agw::oauth {
namespace {

std::string_view text_of(const json_t* value) {
  return json_is_string(value) ? std::string_view(json_string_value(value), json_string_length(value))
                               : std::string_view{};
}

struct Freed {
  void operator()(char* text) const noexcept { std::free(text); }
};

std::string written(const json_t* value) {
  const std::unique_ptr<char, Freed> text(json_dumps(value, JSON_COMPACT));
  return text ? std::string(text.get()) : std::string();
}

Result<IntrospectionAnswer, IntrospectionError> answer_of(const json_t* object) {
  const json_t* active = json_object_get(object, "active");
  if (!json_is_boolean(active)) return fail(IntrospectionError::malformed_answer);
  IntrospectionAnswer out;
  out.active = json_is_true(active);
  return out;
}

bool is_for(const json_t* audience, std::string_view client_id) {
  if (json_is_string(audience)) return text_of(audience) == client_id;
  for (std::size_t i = 0; i < json_array_size(audience); ++i)
    if (json_is_string(json_array_get(audience, i)) && text_of(json_array_get(audience, i)) == client_id) return true;
  return false;
}

}  // namespace

Result<HttpRequest, IntrospectionError> introspection_request(const IntrospectionQuestion& question,
                                                              const ClientCredentials& client, Random& random,
                                                              WallTime now) {
  HttpRequest out;
  out.url = question.endpoint;
  out.headers = {{"Accept", question.signed_answer ? std::string(signed_answer_type) : "application/json"}};
  std::string form;
  append_form_field(form, "token", question.token);
  append_form_field(form, "token_type_hint", "access_token");
  if (question.fields != nullptr)
    for (const auto& [name, value] : *question.fields) append_form_field(form, name, value);
  if (!fill_form_request(out, std::move(form), client, random, now)) return fail(IntrospectionError::key_unusable);
  return out;
}

Result<IntrospectionAnswer, IntrospectionError> parse_introspection_answer(std::string_view json) {
  const json::Tree root = json::read_tree(json);
  if (!json_is_object(root.get())) return fail(IntrospectionError::malformed_answer);
  auto out = answer_of(root.get());
  if (out && out->active) out->claims = json;
  return out;
}

Result<IntrospectionAnswer, IntrospectionError> parse_signed_answer(std::string_view payload,
                                                                    const SignedAnswerRules& rules) {
  const json::Tree root = json::read_tree(payload);
  const json_t* inner = json_object_get(root.get(), "token_introspection");
  if (!json_is_object(root.get()) || !json_is_object(inner)) return fail(IntrospectionError::malformed_answer);
  if (text_of(json_object_get(root.get(), "iss")) != rules.issuer ||
      !is_for(json_object_get(root.get(), "aud"), rules.client_id))
    return fail(IntrospectionError::another_recipient);
  const json_t* issued = json_object_get(root.get(), "iat");
  if (!json_is_integer(issued)) return fail(IntrospectionError::malformed_answer);
  // An answer that was recorded says what was true then; NumericDate has whole seconds here.
  const std::int64_t at = json_integer_value(issued);
  const std::int64_t skew = std::chrono::duration_cast<Seconds>(rules.clock_skew).count();
  const std::int64_t age = std::chrono::duration_cast<Seconds>(rules.longest_age).count();
  const std::int64_t now = to_unix(rules.now);
  if (at < now - skew - age - 1 || at > now + skew) return fail(IntrospectionError::malformed_answer);
  auto out = answer_of(inner);
  if (out && out->active) out->claims = written(inner);
  if (out && out->active && out->claims.empty()) return fail(IntrospectionError::malformed_answer);
  return out;
}

}  // namespace agw::oauth
