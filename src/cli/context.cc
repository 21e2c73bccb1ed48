// SPDX-License-Identifier: Apache-2.0
#include "cli/context.h"

#include <charconv>

#include "cli/mended.h"
#include "cli/store_url.h"
#include "os/environment.h"
#include "os/file.h"
#include "os/process.h"
#include "vault/settle.h"

namespace holdfast::cli {

namespace {

constexpr uint64_t secret_size_bytes_max = 64 * 1024;
constexpr mode_t private_mode = 0600;
constexpr uint64_t parity_percent_default = 3, parity_percent_max = 90;

std::string environment_name(std::string_view prefix, std::string_view name) {
  std::string whole = "HOLDFAST_";
  for (const char c : prefix) whole += c == '-' ? '_' : static_cast<char>(c - 'a' + 'A');
  return whole + std::string(name);
}

// What a file or command prints, without the newline at its end.
crypto::SecretBytes first_line(std::string_view text) {
  text = text.substr(0, text.find_first_of("\r\n"));
  return crypto::SecretBytes::from(as_bytes(text));
}

// Without a cache of our own, or a disk for what would crowd memory, commands work all the same.
vault::LocalFolders local_folders() {
  vault::LocalFolders folders;
  folders.cache = os::user_folder(os::UserFolder::cache).value_or("");
  // /tmp is memory on many machines.
  folders.temporary = os::environment_variable("TMPDIR").value_or("/var/tmp");
  return folders;
}

// Where credentials are named: on the command line, or in variables.
struct Named {
  const Arguments& arguments;
  std::string_view prefix;
  bool by_options;
  std::optional<std::string> get(std::string_view option, std::string_view variable) const {
    if (by_options) return arguments.get(std::string(prefix) + std::string(option));
    return os::environment_variable(environment_name(prefix, variable));
  }
};

Result<std::optional<vault::Credential>> named_credential(const Named& named) {
  if (const auto path = named.get("key-file", "KEY_FILE")) {
    const Bytes content = TRY(os::read_file(*path, secret_size_bytes_max).during("key file"));
    return std::optional<vault::Credential>(vault::KeyFile{crypto::SecretBytes::from(content)});
  }
  if (const auto path = named.get("recovery-key-file", "RECOVERY_KEY_FILE")) {
    const Bytes content = TRY(os::read_file(*path, secret_size_bytes_max).during("recovery key file"));
    return std::optional<vault::Credential>(vault::RecoveryKey{std::string(as_text(content))});
  }
  if (const auto path = named.get("password-file", "PASSWORD_FILE")) {
    const Bytes content = TRY(os::read_file(*path, secret_size_bytes_max).during("password file"));
    return std::optional<vault::Credential>(vault::Passphrase{first_line(as_text(content))});
  }
  if (const auto command = named.get("password-command", "PASSWORD_COMMAND")) {
    const os::CommandOutcome outcome =
        TRY(os::run_command(*command, {.environment = {}, .standard_output = os::StandardOutput::capture}));
    if (outcome.exit_status != 0) {
      return Error(ErrorCode::invalid, "the password command failed with exit code " +
                                           std::to_string(outcome.exit_status));
    }
    return std::optional<vault::Credential>(vault::Passphrase{first_line(outcome.output)});
  }
  return std::optional<vault::Credential>();
}

// What the command line says goes before the environment.
Result<std::optional<vault::Credential>> credential_from_files(const Arguments& arguments, std::string_view prefix) {
  for (const bool by_options : {true, false}) {
    auto found = TRY(named_credential({arguments, prefix, by_options}));
    if (found) return found;
  }
  if (const auto text = os::environment_variable(environment_name(prefix, "PASSWORD"))) {
    return std::optional<vault::Credential>(vault::Passphrase{crypto::SecretBytes::from(as_bytes(*text))});
  }
  return std::optional<vault::Credential>();
}

// --expect-head: what a person remembers goes before what this machine does.
Status expect_heads(const Arguments& arguments, vault::LocalState& state) {
  for (const std::string& text : arguments.all("expect-head")) {
    const size_t first = text.find(':');
    const size_t second = first == std::string::npos ? first : text.find(':', first + 1);
    vault::DomainId domain = 0;
    vault::LogHead head;
    const auto number = [&](size_t begin, size_t end, auto& value) {
      const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, value);
      return error == std::errc() && stop == text.data() + end && value > 0;
    };
    const auto hash = second == std::string::npos ? std::nullopt : from_hex(std::string_view(text).substr(second + 1));
    if (!hash || hash->size() != head.hash.value.size() || !number(0, first, domain) ||
        !number(first + 1, second, head.number)) {
      return Error(ErrorCode::invalid, "--expect-head: '" + text + "' is not DOMAIN:NUMBER:HASH")
          .with_hint("'holdfast vault info' prints the heads of a vault's logs.");
    }
    head.hash = ObjectId::from(*hash);
    if (head.number >= state.heads[domain].number) state.heads[domain] = head;
  }
  return {};
}

}  // namespace

Context::Context(Services& services, Output& output, const Arguments& arguments, std::stop_token stop)
    : services_(services), output_(output), arguments_(arguments), stop_(std::move(stop)) {}

Context::~Context() = default;

Result<std::string> Context::vault_url() const {
  if (const auto file = arguments_.get("from-export")) return *file;
  if (const auto given = arguments_.get("vault")) return *given;
  if (const auto variable = os::environment_variable("HOLDFAST_VAULT")) return *variable;
  return Error(ErrorCode::invalid, "no vault named")
      .with_hint("Give --vault URL or set HOLDFAST_VAULT; 'holdfast vault create PATH' makes one.");
}

Result<vault::Credential> Context::credential(std::string_view prefix) {
  auto found = TRY(credential_from_files(arguments_, prefix));
  if (found) return std::move(*found);
  auto typed = os::prompt_secret(prefix.empty() ? "Passphrase of the vault: " : "Passphrase of the source vault: ");
  if (!typed && typed.error().code() == ErrorCode::unsupported) {
    const auto variable = [&](std::string_view name) { return environment_name(prefix, name); };
    const std::string whose = prefix.empty() ? "" : " of the source vault";
    return Error(ErrorCode::invalid, "no passphrase" + whose + " given and no terminal to ask on")
        .with_hint("Set " + variable("PASSWORD") + ", " + variable("PASSWORD_FILE") + " or " +
                   variable("PASSWORD_COMMAND") + ", or give --" + std::string(prefix) + "key-file.");
  }
  TRY_DO(typed);
  vault::Passphrase passphrase{crypto::SecretBytes::from(as_bytes(*typed))};
  crypto::wipe(MutableByteView(reinterpret_cast<std::byte*>(typed->data()), typed->size()));
  return vault::Credential(std::move(passphrase));
}

Result<vault::Passphrase> Context::new_passphrase(std::string_view prefix) {
  auto found = TRY(credential_from_files(arguments_, prefix));
  if (found) {
    if (auto* passphrase = std::get_if<vault::Passphrase>(&*found)) return std::move(*passphrase);
    return Error(ErrorCode::invalid, "a passphrase is wanted, but a key file was given");
  }
  auto typed = os::prompt_secret("New passphrase: ");
  if (!typed && typed.error().code() == ErrorCode::unsupported) {
    return Error(ErrorCode::invalid, "no passphrase given and no terminal to ask on")
        .with_hint("Set " + environment_name(prefix, "PASSWORD") + ", " + environment_name(prefix, "PASSWORD_FILE") +
                   " or " + environment_name(prefix, "PASSWORD_COMMAND") + ".");
  }
  TRY_DO(typed);
  const std::string again = TRY(os::prompt_secret("The same again: "));
  if (*typed != again) return Error(ErrorCode::invalid, "the two passphrases differ");
  if (typed->empty()) return Error(ErrorCode::invalid, "an empty passphrase protects nothing");
  return vault::Passphrase{crypto::SecretBytes::from(as_bytes(*typed))};
}

Result<std::unique_ptr<store::ObjectStore>> Context::open_store(const std::string& url, StoreUse use) {
  StoreLimits limits;
  if (use == StoreUse::create) {
    const uint64_t percent = TRY(arguments_.number("parity")).value_or(parity_percent_default);
    if (percent > parity_percent_max) {
      return Error(ErrorCode::invalid, "--parity: at most " + std::to_string(parity_percent_max) + " percent");
    }
    limits.parity_percent = static_cast<unsigned>(percent);
    limits.object_lock = arguments_.get("object-lock").value_or("");
    limits.storage_class = arguments_.get("storage-class").value_or("");
  }
  const auto rate = [&](std::string_view option) -> Result<uint64_t> {
    return TRY(arguments_.number(option)).value_or(0) * 1024;
  };
  limits.upload_bytes_per_second = TRY(rate("limit-upload"));
  limits.download_bytes_per_second = TRY(rate("limit-download"));
  limits.stop = stop_;
  return services_.open_store(url, use, limits);
}

namespace {

Result<vault::LocalState> load_state(const std::optional<std::string>& path) {
  if (!path) return vault::LocalState{};
  auto bytes = os::read_file(*path, 1 << 20);
  if (!bytes && bytes.error().code() == ErrorCode::not_found) return vault::LocalState{};
  TRY_DO(bytes);
  return vault::decode_local_state(*bytes).during(*path);
}

// What is remembered of a vault at its URL, and of the same vault wherever else it was met. A vault met for the first
// time at this URL may be well known, and then may be neither older nor another than it was.
Result<vault::Keyring> open_keyring(store::ObjectStore& store, const store::Overview& seen,
                                    const vault::Credential& key, vault::LocalState& state) {
  const uint64_t known_number = state.pins.key_list_number;
  auto keyring = TRY(vault::Keyring::open(store, seen, key, state.pins));
  vault::LocalState elsewhere = TRY(load_state(local_state_path(keyring.vault_id())));
  for (const auto& [domain, head] : elsewhere.heads) {
    if (head.number > state.heads[domain].number) state.heads[domain] = head;
  }
  if (!elsewhere.pins.vault || elsewhere.pins.key_list_number <= known_number) return keyring;
  auto again = vault::Keyring::open(store, seen, key, elsewhere.pins);
  if (!again) {
    return Error(again.error()).with_hint("This vault was met before, perhaps under another name: what is here is an "
                                          "older state of it, or a changed one.");
  }
  state.pins = elsewhere.pins;
  return again;
}

bool is_kept(const std::optional<std::string>& path, const Bytes& bytes) {
  return !path || os::read_file(*path, 1 << 20).value_or(Bytes()) == bytes;
}

Status keep_state(const std::optional<std::string>& path, const Bytes& bytes) {
  if (is_kept(path, bytes)) return {};
  TRY_DO(os::make_directories(path->substr(0, path->rfind('/')), 0700));
  return os::write_durably(*path, bytes, private_mode, os::Existing::replace);
}

}  // namespace

Result<vault::LocalState> Context::load_local_state(const std::string& url) const {
  return load_state(local_state_path(url));
}

Result<Context::OpenedVault*> Context::attach(const std::string& url, std::unique_ptr<store::ObjectStore> store,
                                              vault::Keyring keyring, vault::LocalState state) {
  auto opened = std::make_unique<OpenedVault>();
  opened->url = url;
  opened->store = std::move(store);
  opened->vault = std::make_unique<vault::Vault>(*opened->store, std::move(keyring), std::move(state), services_.rng(),
                                                 services_.clock());
  opened->vault->use_local_folders(local_folders());
  if (arguments_.has("accept-history")) opened->vault->accept_history();
  opened_.push_back(std::move(opened));
  return opened_.back().get();
}

Result<Context::OpenedVault*> Context::open_at(const std::string& url, std::string_view prefix) {
  auto opened_store = open_store(url, StoreUse::open);
  if (!opened_store && opened_store.error().code() == ErrorCode::not_found) return no_vault_error(url);
  TRY_DO(opened_store);
  auto store = std::move(*opened_store);
  vault::LocalState state = TRY(load_local_state(url));
  if (prefix.empty()) TRY_DO(expect_heads(arguments_, state));
  const vault::Credential key = TRY(credential(prefix));
  auto seen = TRY(store::Overview::take(*store));
  auto keyring = open_keyring(*store, seen, key, state);
  if (!keyring && keyring.error().code() == ErrorCode::not_found) {
    return no_vault_error(url);
  }
  if (!keyring && keyring.error().code() == ErrorCode::wrong_key) {
    return std::move(keyring.error()).during(url).with_hint(
        "Check what " + environment_name(prefix, "PASSWORD") + ", " + environment_name(prefix, "PASSWORD_FILE") + ", " +
        environment_name(prefix, "PASSWORD_COMMAND") + " or " + environment_name(prefix, "KEY_FILE") +
        " give; options go before them.");
  }
  TRY_DO(keyring);
  OpenedVault* const opened = TRY(attach(url, std::move(store), std::move(*keyring), std::move(state)));
  if (seen.is_one_look()) opened->vault->begin_with(std::make_shared<const store::Overview>(std::move(seen)));
  return opened;
}

Result<vault::Vault*> Context::open_vault() {
  if (main_ == nullptr) {
    const std::string url = TRY(vault_url());
    main_ = TRY(open_at(url, ""));
  }
  return main_->vault.get();
}

Result<vault::Vault*> Context::open_other_vault(const std::string& url) {
  return TRY(open_at(url, "from-"))->vault.get();
}

void Context::keys_changed() { main_->vault->set_pins(main_->vault->keyring().pins()); }

void Context::keep_local_state() {
  for (const auto& opened : opened_) {
    tell_mended(output_, *opened->store);
    for (const std::string& alarm : opened->vault->alarms()) output_.warn(alarm);
  }
  remember_vaults();
}

void Context::remember_vaults() {
  for (const auto& opened : opened_) {
    const auto path = local_state_path(opened->url);
    const auto path_of_id = local_state_path(opened->vault->keyring().vault_id());
    const Bytes bytes = vault::encode_local_state(opened->vault->local_state());
    if (is_kept(path, bytes) && is_kept(path_of_id, bytes)) continue;
    const Status kept = [&]() -> Status {
      TRY_DO(vault::settle_seen(*opened->vault));
      TRY_DO(keep_state(path_of_id, bytes));
      return keep_state(path, bytes);
    }();
    if (!kept) output_.warn("could not remember the vault's newest state: " + kept.error().message());
  }
}

}  // namespace holdfast::cli
