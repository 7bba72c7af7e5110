#include "agw/policy/argument_details.h"

#include <utility>

namespace agw::policy {

ArgumentValue ArgumentValue::untyped(std::string text) {
  ArgumentValue out;
  if (text == "true" || text == "false") out.truth = text == "true";
  out.text = std::move(text);
  return out;
}

Answered<std::string_view> ArgumentDetails::argument(const ArgumentPath& path) const {
  const ArgumentValue* const found = find(path);
  if (found == nullptr) return {unsaid()};
  return found->text ? Answered<std::string_view>::known(*found->text) : Answered<std::string_view>();
}

Answered<bool> ArgumentDetails::flag(const ArgumentPath& path) const {
  const ArgumentValue* const found = find(path);
  if (found == nullptr) return {unsaid()};
  return found->truth ? Answered<bool>::known(*found->truth) : Answered<bool>();
}

Answered<bool> ArgumentDetails::has(const ArgumentPath& path) const {
  const ArgumentValue* const found = find(path);
  if (found == nullptr) return {unsaid()};
  return found->certain ? Answered<bool>::known(found->text || found->truth) : Answered<bool>();
}

}  // namespace agw::policy
