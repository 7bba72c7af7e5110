// What is wrong with a key of Redis, as people are told.
#pragma once

#include <string>
#include <string_view>

#include "agw/grants/redis_codec.h"

namespace agw::grants {

inline std::unexpected<CodecError> wrong(std::string_view key, std::string_view field, std::string_view what) {
  std::string detail = "key " + std::string(key);
  if (!field.empty()) detail += ", field " + std::string(field);
  return fail(CodecError{detail + ": " + std::string(what)});
}

}  // namespace agw::grants
