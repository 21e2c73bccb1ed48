// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/key_options.h"
#include "cli/store_policy.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"name", 0, "NAME", "The same as the argument"},
    {"output", 'o', "FILE", "Write the credential here; needed"},
    {"role", 0, "ROLE", "agent (the default: adds backups) or collector (forgets and collects)"},
    {"share-domain", 0, "N", "Share names and stored chunks with those of this domain, instead of one of its own"},
    {"bucket", 0, "BUCKET[/PREFIX]", "Also print what it needs as an S3 policy for this bucket"},
};

Result<std::string> name_of(const Arguments& arguments) {
  const auto option = arguments.get("name");
  if (arguments.positionals().size() == 1 && !option) return arguments.positionals().front();
  if (arguments.positionals().empty() && option && !option->empty()) return *option;
  return Error(ErrorCode::invalid, "an agent has one name").with_hint("Give it as the argument or by --name.");
}

Result<vault::Keyring::AgentOptions> agent_options(const Arguments& arguments) {
  vault::Keyring::AgentOptions agent;
  agent.name = TRY(name_of(arguments));
  const std::string role = arguments.get("role").value_or("agent");
  if (role == "collector") {
    agent.role = vault::Role::collector;
  } else if (role != "agent") {
    return Error(ErrorCode::invalid, "--role: '" + role + "' is neither agent nor collector");
  }
  if (const auto domain = TRY(arguments.number("share-domain"))) {
    if (*domain > UINT32_MAX) return Error(ErrorCode::invalid, "--share-domain: no such domain");
    agent.share_domain = static_cast<vault::DomainId>(*domain);
  }
  if (agent.role == vault::Role::collector && agent.share_domain) {
    return Error(ErrorCode::invalid, "--share-domain: a collector works in every domain");
  }
  return agent;
}

Status check(const Arguments& arguments) {
  TRY_DO(agent_options(arguments));
  if (arguments.has("output")) return {};
  return Error(ErrorCode::invalid, "no place for the credential").with_hint("Give --output FILE.");
}

const vault::Author& added_author(const vault::Keyring& keyring, const std::vector<vault::Author>& authors,
                                  const std::vector<vault::AuthorId>& before) {
  for (const vault::Author& author : authors) {
    if (std::find(before.begin(), before.end(), author.id) == before.end()) return author;
  }
  return keyring.self();
}

boost::json::array texts(const std::vector<std::string>& values) {
  return boost::json::array(values.begin(), values.end());
}

void tell(Output& output, const Arguments& arguments, const vault::Author& author) {
  const StorePolicy policy = store_policy_of(author);
  std::vector<std::string> reads = policy.reads;
  reads.emplace_back(store_own_prefix);
  boost::json::object object{{"type", "author"},
                             {"id", vault::to_hex(author.id)},
                             {"kind", role_name(author.role)},
                             {"name", author.name},
                             {"domain", author.domain},
                             {"reads", texts(reads)},
                             {"creates", texts(policy.creates)},
                             {"removes", texts(policy.removes)}};
  output.text(fmt::format("{} {} ({}) may write; its credential is in {}", role_name(author.role), author.name,
                          vault::to_hex(author.id), *arguments.get("output")));
  output.text("What its access to the store has to allow, and no more:");
  output.text(fmt::format("  list and read   {}", fmt::join(reads, " ")));
  output.text(fmt::format("  create only     {}", fmt::join(policy.creates, " ")));
  const std::string removes = fmt::format("{}", fmt::join(policy.removes, " "));
  output.text(fmt::format("  remove          {}", removes.empty() ? "nothing" : removes));
  if (const auto bucket = arguments.get("bucket")) {
    const boost::json::object s3 = s3_policy(policy, *bucket);
    if (!output.json()) output.line(boost::json::serialize(s3));
    object["s3_policy"] = s3;
  }
  output.object(object);
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const vault::Keyring::AgentOptions agent = TRY(agent_options(arguments));
  const std::string path = *arguments.get("output");
  vault::Keyring& keyring = TRY(context.open_vault())->keyring();
  TRY_DO(expect_no_file(path).during("credential"));
  std::vector<vault::AuthorId> before;
  for (const vault::Author& author : keyring.authors()) before.push_back(author.id);
  const auto credential = keyring.add_agent(agent, context.services().rng(), context.services().clock());
  context.keys_changed();
  TRY_DO(credential);
  const std::vector<vault::Author> authors = keyring.authors();
  const vault::Author& added = added_author(keyring, authors, before);
  TRY_DO(write_secret_file(path, *credential)
             .during("agent " + vault::to_hex(added.id) + " was added, but nobody has its credential"));
  tell(context.output(), arguments, added);
  return Exit::done;
}

}  // namespace

Command key_agent_command() {
  return {.name = "key agent",
          .positionals = "[NAME]",
          .summary = "Make a credential that can add backups and read none",
          .description = "For a machine that is backed up: HOLDFAST_KEY_FILE or --key-file there names the credential. "
                         "Its holder sees the names in its own points, but opens no content and nothing of other "
                         "domains. A collector forgets points and frees room, and opens no content either.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 1,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
