// The module's configuration, as requests and workers see it: immutable once it is loaded.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/audit/sealer.h"
#include "agw/audit/writer.h"
#include "agw/base/secret.h"
#include "agw/base/time.h"
#include "agw/gateway/location.h"
#include "agw/grants/break_glass.h"
#include "agw/grants/copying_store.h"
#include "agw/grants/policy_file.h"
#include "agw/grants/redis_url.h"
#include "agw/identity/issuer_config.h"
#include "agw/limits/limiter.h"

#include "../adapters/file_identity.h"
#include "../adapters/names.h"
#include "../adapters/status_file.h"
#include "../nginx.h"

namespace agw::nginx {

/// agent_store: where policy is true.
struct StoreConfig {
  enum class Kind : std::uint8_t { none, file, redis };
  Kind kind = Kind::none;
  std::string path;  ///< file: absolute
    /// file: what it looked like before it was compiled: workers see edits made since.
  FileIdentity identity{};
  /// file: compiled at load, inherited by the workers.
  std::shared_ptr<const grants::CompiledPolicy> policy;
  grants::RedisAddress redis;
  std::string password_file;  ///< redis: absolute, or empty
  std::string ca_file;        ///< rediss: absolute, or empty for the system's
  std::string sentinel_password_file;  ///< redis+sentinel: absolute, or empty
  Milliseconds timeout{1000};
};

/// agent_break_glass, as it was when the configuration was loaded.
struct BreakGlassConfig {
  std::string path;  ///< absolute, or empty: nobody breaks the glass
  FileIdentity identity{};
  grants::BreakGlassAgents agents;
};

/// A file of the state directory that workers append to, though they may not enter it: the master
/// opens it before it forks.
class AppendedFile {
 public:
  explicit AppendedFile(int fd) noexcept : fd_(fd) {}
  ~AppendedFile();
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;
  /// In one write, so that the lines of several workers stay whole. Blocks.
  [[nodiscard]] bool append(std::string_view text) const noexcept;

 private:
  int fd_;
};

/// What stands beside a location's own settings while a configuration is read; see settings.h.
struct MainSettings;
struct LocSettings;

/// One per http block. Nothing in it changes after load; pointers into it live as long as the cycle.
struct MainConf {
  std::deque<identity::IssuerConfig> issuers;  ///< in the order written; addresses are stable
  StoreConfig store;
  std::optional<StoreConfig> store_admin;
  grants::Freshness freshness;                        ///< of what is in Redis
  std::size_t copy_limit = std::size_t{64} << 20;     ///< bytes, for each worker
  ngx_shm_zone_t* zone = nullptr;         ///< null: nothing here needs one
  ngx_open_file_t* audit_file = nullptr;  ///< null: agent_audit off
  std::string audit_key_file;
  std::size_t audit_journal_bytes = std::size_t{16} << 20;  ///< for each worker
  audit::Sync audit_sync = audit::Sync::interval;
  audit::OnError audit_on_error = audit::OnError::deny;
  limits::OnError limit_on_error = limits::OnError::deny;
  Milliseconds revocation_grace{0};
  BreakGlassConfig break_glass;
  std::string state_dir;               ///< absolute, or empty
  /// Null: no agent_state, or policy isn't in a file. Set when the cycle begins.
  mutable std::shared_ptr<const AppendedFile> last_uses;
  /// Null: no agent_state. Set when the cycle begins, as which configuration of this server it is, and since when.
  mutable std::shared_ptr<StatusFile> status;
  mutable std::uint64_t generation = 0;
  mutable std::int64_t loaded = 0;  ///< milliseconds since 1970
  std::vector<Secret> keys;            ///< what the files of agent_key hold, the sealing one first
  HostPins pins;                       ///< addresses of the hosts that the configuration names
    /// Every governed location (enforced or observed) once.
  std::vector<const gateway::Location*> locations;
  std::unique_ptr<MainSettings> settings;

  MainConf();
  ~MainConf();
  MainConf(const MainConf&) = delete;
  MainConf& operator=(const MainConf&) = delete;
  /// Whether workers need the gateway's services at all.
  [[nodiscard]] bool active() const noexcept { return zone != nullptr; }
};

/// What discovery serves: made at load, so that no request can have a word in it.
struct Document {
  std::string path;  ///< compared with the decoded URI, exactly
  std::string content_type;
  std::string body;
};

/// Where a caller asks what it may do at one protected resource.
struct PermissionsPlace {
  std::string path;  ///< compared as a document's
  std::vector<const gateway::Location*> locations;
};

struct SrvConf {
  std::vector<Document> documents;  ///< empty: the server is left alone
  std::vector<PermissionsPlace> permissions;
};

/// What every request looks at first: standard layout, so that C may hold it.
struct LocConfBase {
  /// Null: the gateway has nothing to do with this location (not governed, or agent_mode off).
  const gateway::Location* location;
  /// Whether anything here is enforced: the location, or one of its tools and operations.
  bool enforced;
  /// What the guard calls in place of the location's own handler; null where there is none.
  ngx_http_handler_pt content_handler;
};

/// One per location, and per nested location, `if` and `limit_except`.
struct LocConf : LocConfBase {
  std::shared_ptr<const gateway::Location> owner;  ///< shared with nested blocks that change nothing
  std::unique_ptr<LocSettings> settings;

  LocConf();
  ~LocConf();
  LocConf(const LocConf&) = delete;
  LocConf& operator=(const LocConf&) = delete;
};

/// Null without an http block.
[[nodiscard]] const MainConf* main_conf(const ngx_cycle_t* cycle) noexcept;
[[nodiscard]] const MainConf& main_conf(const ngx_http_request_t* r) noexcept;
[[nodiscard]] const SrvConf& srv_conf(const ngx_http_request_t* r) noexcept;
[[nodiscard]] const LocConf& loc_conf(const ngx_http_request_t* r) noexcept;

}  // namespace agw::nginx

/// The two modules of this library: configuration and handlers; and the filters, which stand elsewhere among nginx's.
extern "C" {
extern ngx_module_t ngx_http_agent_gateway_module;
extern ngx_module_t ngx_http_agent_gateway_filter_module;
}
