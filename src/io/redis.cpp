#include "agw/io/redis.h"

namespace agw {

std::string_view to_string(RedisError error) noexcept {
  switch (error) {
    case RedisError::connect: return "no connection";
    case RedisError::tls: return "TLS failed";
    case RedisError::auth: return "authentication failed";
    case RedisError::timeout: return "timed out";
    case RedisError::protocol: return "not Redis";
    case RedisError::closed: return "connection closed";
  }
  return "failed";
}

}  // namespace agw
