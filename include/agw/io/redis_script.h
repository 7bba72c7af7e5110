// A script that Redis runs, by its digest where Redis knows it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/task.h"
#include "agw/io/redis.h"

namespace agw {

class RedisScript {
 public:
  explicit RedisScript(std::string_view text);

  /// What run() says where a key isn't of the type that the script needs.
  static constexpr std::string_view wrong_type = "WRONGTYPE";

  /// Its answer; or why there is none: no connection, or the first word of Redis' error. Where the answer got lost it
  /// may have been run.
  [[nodiscard]] Task<Result<RedisReply, std::string>> run(Redis& redis, std::vector<std::string> keys,
                                                          std::vector<std::string> arguments) const;

 private:
  std::string text_;
  std::string digest_;
};

}  // namespace agw
