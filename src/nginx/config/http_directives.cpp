// agent_zone, agent_store and its copy, agent_key, agent_state: what holds for the whole of http.
#include <array>

#include <sys/stat.h>

#include "../adapters/shared_zone.h"
#include "reading.h"

namespace agw::nginx {
namespace {

/// Where the path of this option goes; null: it is none that names a file.
std::string* file_option(StoreConfig& store, std::string_view key) {
  if (key == "password_file") return &store.password_file;
  if (key == "sentinel_password_file") return &store.sentinel_password_file;
  return key == "ca" ? &store.ca_file : nullptr;
}

Checked read_options(const Reading& in, StoreConfig& store) {
  for (const std::string_view word : in.arguments().subspan(1)) {
    const auto found = option(word);
    const std::string_view key = found ? found->first : std::string_view();
    if (store.kind != StoreConfig::Kind::redis)
      return fail(quoted(in.name()) + " has " + quoted(word) + "; a policy file takes no options");
    if (std::string* const file = file_option(store, key); file != nullptr) {
      if (file == &store.sentinel_password_file && store.redis.sentinels.empty())
        return fail(quoted(in.name()) + " has a password for Sentinels, and no redis+sentinel:// address");
      std::string path = full_path(in.cf, found->second);
      if (const auto facts = file_facts(in.name(), path); !facts) return fail(facts.error());
      *file = std::move(path);
    } else if (key == "timeout") {
      const auto time = time_value("timeout", found->second, {Milliseconds(10), Milliseconds(60'000)});
      if (!time) return fail(time.error());
      store.timeout = *time;
    } else {
      return fail(quoted(in.name()) + " has the unknown word " + quoted(word) +
                  "; write password_file=FILE, sentinel_password_file=FILE, ca=FILE or timeout=TIME");
    }
  }
  return {};
}

Checked read_redis(const Reading& in, StoreConfig& store) {
  auto address = grants::parse_redis_url(in.words[1]);
  if (!address) return fail(quoted(in.name()) + ": " + address.error());
  store.kind = StoreConfig::Kind::redis;
  store.redis = *std::move(address);
  if (!store.redis.host.empty()) in.main.pins.add(store.redis.host);
  for (const auto* listed : {&store.redis.sentinels, &store.redis.seeds})
    for (const auto& place : *listed) in.main.pins.add(place.host);
  return read_options(in, store);
}

std::string shown(const std::string& path, const grants::PolicyError& error) {
  std::string out = path;
  if (error.line > 0) out += ":" + std::to_string(error.line);
  out += ": ";
  if (!error.path.empty() && error.path != path) out += error.path + " ";
  return out + error.message;
}

}  // namespace

Checked read_zone(const Reading& in) {
  MainSettings& settings = *in.main.settings;
  if (settings.zone) return fail(twice(in.name(), *settings.zone));
  if (!is_name(in.words[1])) return fail(quoted(in.name()) + " needs a plain name; write agent_zone agents 16m");
  const auto size = size_value(in.name(), in.words[2], 1U << 20, std::size_t{1} << 40);
  if (!size) return fail(size.error());
  ngx_str_t name = pool_copy(in.cf->pool, in.words[1]);
  in.main.zone =
      name.data == nullptr ? nullptr : SharedZone::declare(in.cf, name, *size, &ngx_http_agent_gateway_module);
  if (in.main.zone == nullptr) return fail(std::string());
  settings.zone = in.place;
  return {};
}

Checked read_store(const Reading& in) {
  MainSettings& settings = *in.main.settings;
  if (settings.store) return fail(twice(in.name(), *settings.store) + "; policy is true in exactly one place");
  settings.store = in.place;
  StoreConfig& store = in.main.store;
  constexpr std::string_view file = "file:";
  if (!in.words[1].starts_with(file)) return read_redis(in, store);
  if (in.words[1].size() == file.size())
    return fail(quoted(in.name()) + " names no file; write agent_store file:/etc/nginx/agents/policy.json");
  store.kind = StoreConfig::Kind::file;
  store.path = full_path(in.cf, in.words[1].substr(file.size()));
  if (auto options = read_options(in, store); !options) return options;
  store.identity = file_identity(store.path);
  auto policy = grants::load_policy_file(store.path);
  if (!policy) return fail(quoted(in.name()) + ": " + shown(store.path, policy.error()));
  store.policy = *std::move(policy);
  return {};
}

Checked read_store_admin(const Reading& in) {
  MainSettings& settings = *in.main.settings;
  if (settings.store_admin) return fail(twice(in.name(), *settings.store_admin));
  settings.store_admin = in.place;
  return read_redis(in, in.main.store_admin.emplace());
}

Checked read_limit_on_error(const Reading& in) {
  MainSettings& settings = *in.main.settings;
  if (settings.limit_on_error) return fail(twice(in.name(), *settings.limit_on_error));
  settings.limit_on_error = in.place;
  static constexpr std::array choices{Choice{"deny", limits::OnError::deny}, Choice{"local", limits::OnError::local}};
  const auto chosen = choose<limits::OnError>(in.name(), in.words[1], choices);
  if (!chosen) return fail(chosen.error());
  in.main.limit_on_error = *chosen;
  return {};
}

Checked read_freshness(const Reading& in) {
  MainSettings& settings = *in.main.settings;
  if (settings.freshness) return fail(twice(in.name(), *settings.freshness));
  settings.freshness = in.place;
  grants::Freshness& freshness = in.main.freshness;
  const auto wrong = [&](std::string_view word) {
    return fail(quoted(in.name()) + " has the unknown word " + quoted(word) +
                "; write push, push lease=TIME, strict, or max_age=TIME");
  };
  const std::string_view word = in.words[1];
  const auto age = option(word);
  if (word == "push") {
    freshness.mode = grants::Freshness::Mode::push;
    if (in.words.size() == 2) return {};
    const auto lease = option(in.words[2]);
    if (!lease || lease->first != "lease") return wrong(in.words[2]);
    const auto time = time_value("lease", lease->second, {Milliseconds(100), Milliseconds(60'000)});
    if (!time) return fail(time.error());
    freshness.bound = *time;
    return {};
  }
  if (in.words.size() > 2) return wrong(in.words[2]);
  if (word == "strict") {
    freshness.mode = grants::Freshness::Mode::strict;
    return {};
  }
  if (!age || age->first != "max_age") return wrong(word);
  const auto time = time_value("max_age", age->second, {Milliseconds(10), Milliseconds(3'600'000)});
  if (!time) return fail(time.error());
  freshness = {grants::Freshness::Mode::max_age, *time};
  return {};
}

Checked read_copy_limit(const Reading& in) {
  MainSettings& settings = *in.main.settings;
  if (settings.copy_limit) return fail(twice(in.name(), *settings.copy_limit));
  settings.copy_limit = in.place;
  const auto size = size_value(in.name(), in.words[1], std::size_t{1} << 20, std::size_t{64} << 30);
  if (!size) return fail(size.error());
  in.main.copy_limit = *size;
  return {};
}

Checked read_revocation_grace(const Reading& in) {
  MainSettings& settings = *in.main.settings;
  if (settings.revocation_grace) return fail(twice(in.name(), *settings.revocation_grace));
  settings.revocation_grace = in.place;
  const auto time = time_value(in.name(), in.words[1], {Milliseconds(0), Milliseconds(60'000)});
  if (!time) return fail(time.error());
  in.main.revocation_grace = *time;
  return {};
}

Checked read_break_glass_file(const Reading& in) {
  MainSettings& settings = *in.main.settings;
  if (settings.break_glass) return fail(twice(in.name(), *settings.break_glass));
  settings.break_glass = in.place;
  BreakGlassConfig& out = in.main.break_glass;
  out.path = full_path(in.cf, in.words[1]);
  out.identity = file_identity(out.path);
  const auto now = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  auto agents = grants::read_break_glass(out.path, now);
  if (!agents)
    return fail(quoted(in.name()) + ": " + out.path + ": " + agents.error() +
                R"(; where nobody breaks the glass write {"agents": []})");
  out.agents = *std::move(agents);
  return {};
}

Checked read_key(const Reading& in) {
  std::string path = full_path(in.cf, in.words[1]);
  if (auto fit = key_file(in.name(), path); !fit) return fit;
  auto content = file_content(in.name(), path);
  if (!content) return fail(content.error());
  in.main.keys.push_back(*std::move(content));
  return {};
}

Checked read_state(const Reading& in) {
  MainSettings& settings = *in.main.settings;
  if (settings.state) return fail(twice(in.name(), *settings.state));
  settings.state = in.place;
  in.main.state_dir = full_path(in.cf, in.words[1]);
  struct stat info{};
  if (::stat(in.main.state_dir.c_str(), &info) != 0) {
    // It is made at start, what is around it isn't.
    if (stands_in_folder(in.main.state_dir)) return {};
    return fail(quoted(in.name()) + ": the folder of " + in.main.state_dir +
                " doesn't exist; make it, or name another");
  }
  if (!S_ISDIR(info.st_mode)) return fail(quoted(in.name()) + ": " + in.main.state_dir + " is not a directory");
  if ((info.st_mode & 077U) != 0)
    return fail(quoted(in.name()) + ": " + in.main.state_dir + " is open to others; run: chmod 700 " +
                in.main.state_dir);
  return {};
}

}  // namespace agw::nginx
