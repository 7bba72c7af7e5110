#include "agw/io/redis_script.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <openssl/evp.h>

#include "agw/base/encoding.h"

namespace agw {
namespace {

/// Redis names scripts by their SHA-1.
std::string sha1_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) return {};
  return hex_encode({reinterpret_cast<const char*>(digest.data()), size});
}

}  // namespace

RedisScript::RedisScript(std::string_view text) : text_(text), digest_(sha1_hex(text)) {}

Task<Result<RedisReply, std::string>> RedisScript::run(Redis& redis, std::vector<std::string> keys,
                                                       std::vector<std::string> arguments) const {
  RedisCommand command{"EVALSHA", digest_, std::to_string(keys.size())};
  std::ranges::move(keys, std::back_inserter(command));
  std::ranges::move(arguments, std::back_inserter(command));
  for (int attempt = 0;; ++attempt) {
    auto sent = redis.pipeline({command});
    auto replies = co_await std::move(sent);
    if (!replies) co_return fail(std::string(to_string(replies.error())));
    RedisReply& reply = replies->front();
    // A restarted Redis doesn't know the script: nothing was run, so that it can be sent as a whole.
    if (attempt == 0 && reply.type == RedisReply::Type::error && reply.text.starts_with("NOSCRIPT")) {
      command[0] = "EVAL";
      command[1] = text_;
      continue;
    }
    // Before Redis 7 what a command in a script says stands within another sentence.
    if (reply.type == RedisReply::Type::error && reply.text.contains(wrong_type))
      co_return fail(std::string(wrong_type));
    if (reply.type == RedisReply::Type::error) co_return fail(reply.text.substr(0, reply.text.find(' ')));
    co_return std::move(reply);
  }
}

}  // namespace agw
