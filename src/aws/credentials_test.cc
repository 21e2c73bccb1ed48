// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>

#include "aws/credential_places.h"
#include "aws/testing.h"
#include "aws/time_text.h"
#include "os/testing.h"

namespace holdfast::aws {
namespace {

class CredentialsTest : public ::testing::Test {
 protected:
  CredentialsTest() { variables_["HOME"] = folder_.path(); }

  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(folder_.path(".aws"));
    std::ofstream(folder_.path(".aws/" + name)) << text;
  }
  // What the whole chain finds. `services` and `metadata` answer STS and the machine's services.
  Result<CredentialsPointer> find() {
    const Environment environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      if (found == variables_.end()) return std::nullopt;
      return found->second;
    };
    const SharedConfig shared = TRY(SharedConfig::load(environment));
    const Settings settings = TRY(resolve_settings({}, environment, shared));
    auto world = std::make_shared<const CredentialWorld>(CredentialWorld{.environment = environment,
                                                                         .shared = shared,
                                                                         .settings = settings,
                                                                         .services = services_,
                                                                         .metadata = metadata_,
                                                                         .clock = clock_,
                                                                         .rng = rng_});
    chain_ = std::make_unique<CredentialChain>(default_places(world), clock_);
    return chain_->get();
  }
  std::string id() {
    const auto found = find();
    return found ? (*found)->access_key_id : found.error().message();
  }
  static std::string sts_answer(const std::string& action, const std::string& key) {
    return "<" + action + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" + action +
           "Result><Credentials><AccessKeyId>" + key +
           "</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
           "<Expiration>2015-08-30T13:36:00Z</Expiration></Credentials></" + action + "Result></" + action + "Response>";
  }

  os::TemporaryFolder folder_;
  std::map<std::string, std::string> variables_;
  FakeTransport services_{[this](const net::HttpRequest& request) { return on_service(request); }};
  FakeTransport metadata_{[this](const net::HttpRequest& request) { return on_metadata(request); }};
  std::function<Result<net::HttpResponse>(const net::HttpRequest&)> on_service =
      [](const net::HttpRequest&) { return Error(ErrorCode::io, "no service"); };
  std::function<Result<net::HttpResponse>(const net::HttpRequest&)> on_metadata =
      [](const net::HttpRequest&) { return Error(ErrorCode::io, "no metadata"); };
  FakeClock clock_;
  LargestRng rng_;
  std::unique_ptr<CredentialChain> chain_;
};

TEST_F(CredentialsTest, without_any_the_error_says_what_to_set) {
  const auto found = find();
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code(), ErrorCode::not_found);
  EXPECT_NE(found.error().hint().find("AWS_ACCESS_KEY_ID"), std::string::npos);
}

TEST_F(CredentialsTest, the_environment_goes_before_the_files) {
  write("credentials", "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
  EXPECT_EQ(id(), "FILE");
  variables_["AWS_ACCESS_KEY_ID"] = "ENV";
  EXPECT_NE(id().find("AWS_SECRET_ACCESS_KEY"), std::string::npos);  // Half a pair is a mistake.
  variables_["AWS_SECRET_ACCESS_KEY"] = "s";
  variables_["AWS_SESSION_TOKEN"] = "t";
  EXPECT_EQ(id(), "ENV");
  EXPECT_EQ((*find())->session_token, "t");
}

TEST_F(CredentialsTest, files_are_read_as_the_sdks_read_them) {
  write("config",
        "# comment\n[default]\nregion = eu-west-1 # behind\n[profile  two]\ns3 =\n  addressing_style = path\nregion=x\n"
        "aws_access_key_id = CONFIG\naws_secret_access_key = s#t\n[services x]\ns3 = \n  endpoint_url = http://e\n");
  write("credentials", "[two]\r\naws_access_key_id=CREDENTIALS\r\n");
  variables_["AWS_PROFILE"] = "two";
  EXPECT_EQ(id(), "CREDENTIALS");
  EXPECT_EQ(as_text((*find())->secret_access_key.view()), "s#t");
  variables_["AWS_PROFILE"] = "three";
  EXPECT_NE(id().find("'three'"), std::string::npos);
  write("config", "[default\nx");
  EXPECT_NE(id().find("line 1"), std::string::npos);
}

TEST_F(CredentialsTest, a_profile_may_name_a_process) {
  write("config", "[default]\ncredential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"PROC\", \"SecretAccessKey\": \"s\"}'\n");
  EXPECT_EQ(id(), "PROC");
  write("config", "[default]\ncredential_process = exit 3\n");
  EXPECT_NE(id().find("exit code 3"), std::string::npos);
}

TEST_F(CredentialsTest, roles_are_assumed_along_the_profiles) {
  write("config",
        "[default]\nrole_arn = arn:aws:iam::1:role/b\nsource_profile = a\nexternal_id = e x\n"
        "[profile a]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = base\n"
        "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n");
  int step = 0;
  on_service = [&](const net::HttpRequest& request) -> Result<net::HttpResponse> {
    EXPECT_EQ(request.url, "https://sts.us-east-1.amazonaws.com/");
    const auto authorization = *net::find_header(request.headers, "authorization");
    const std::string body(as_text((*request.body)[0]));
    if (++step == 1) {
      EXPECT_NE(authorization.find("Credential=BASE/"), std::string_view::npos);
      EXPECT_NE(body.find("role%2Fa"), std::string::npos) << body;
      return http_answer(200, sts_answer("AssumeRole", "FIRST"));
    }
    EXPECT_NE(authorization.find("Credential=FIRST/"), std::string_view::npos);
    EXPECT_EQ(net::find_header(request.headers, "x-amz-security-token"), "t");
    EXPECT_NE(body.find("ExternalId=e%20x"), std::string::npos) << body;
    return http_answer(200, sts_answer("AssumeRole", "SECOND"));
  };
  EXPECT_EQ(id(), "SECOND");
  EXPECT_EQ((*chain_->get())->expires, *parse_iso_time("2015-08-30T13:36:00Z"));
}

TEST_F(CredentialsTest, profiles_in_a_circle_are_an_error) {
  write("config", "[default]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = default\n");
  EXPECT_NE(id().find("without end"), std::string::npos);
}

TEST_F(CredentialsTest, a_web_identity_is_traded_for_keys) {
  write("token", "my.jwt");
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder_.path(".aws/token");
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/w";
  on_service = [&](const net::HttpRequest& request) -> Result<net::HttpResponse> {
    EXPECT_FALSE(net::find_header(request.headers, "authorization").has_value());
    EXPECT_NE(as_text((*request.body)[0]).find("WebIdentityToken=my.jwt"), std::string_view::npos);
    return http_answer(200, sts_answer("AssumeRoleWithWebIdentity", "WEB"));
  };
  EXPECT_EQ(id(), "WEB");
  on_service = [](const net::HttpRequest&) { return error_answer(400, "InvalidIdentityToken"); };
  EXPECT_NE(id().find("InvalidIdentityToken"), std::string::npos);
}

TEST_F(CredentialsTest, the_container_is_asked_with_its_token) {
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/x";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Bearer y";
  on_metadata = [](const net::HttpRequest& request) -> Result<net::HttpResponse> {
    EXPECT_EQ(request.url, "http://169.254.170.2/v2/credentials/x");
    EXPECT_EQ(net::find_header(request.headers, "authorization"), "Bearer y");
    return http_answer(200, R"({"AccessKeyId":"ECS","SecretAccessKey":"s","Token":"t","Expiration":"2015-08-30T13:36:00Z"})");
  };
  EXPECT_EQ(id(), "ECS");
  variables_.erase("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  for (const char* unsafe : {"http://evil.example/x", "http://127.0.0.1.evil.example/", "http://localhost@evil/"}) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = unsafe;
    const size_t before = metadata_.seen().size();
    EXPECT_NE(id().find("neither encrypted"), std::string::npos) << unsafe;
    EXPECT_EQ(metadata_.seen().size(), before);
  }
}

TEST_F(CredentialsTest, the_instance_is_asked_by_the_second_version_only) {
  on_metadata = [](const net::HttpRequest& request) -> Result<net::HttpResponse> {
    if (request.url == "http://169.254.169.254/latest/api/token") {
      EXPECT_EQ(request.method, "PUT");
      return http_answer(200, "TOKEN");
    }
    EXPECT_EQ(net::find_header(request.headers, "x-aws-ec2-metadata-token"), "TOKEN");
    if (request.url.ends_with("/security-credentials/")) return http_answer(200, "my-role\n");
    EXPECT_TRUE(request.url.ends_with("/security-credentials/my-role"));
    return http_answer(200, R"({"Code":"Success","AccessKeyId":"EC2","SecretAccessKey":"s","Token":"t","Expiration":"2015-08-30T18:36:00Z"})");
  };
  EXPECT_EQ(id(), "EC2");
  variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_NE(id().find("no AWS credentials"), std::string::npos);
}

TEST(CredentialChain, keys_are_fetched_anew_before_they_expire) {
  FakeClock clock;
  int fetched = 0;
  bool fails = false;
  CredentialChain chain({{"elsewhere", [] { return Error(ErrorCode::not_found, "none"); }},
                         {"here",
                          [&]() -> Result<Credentials> {
                            if (fails) return Error(ErrorCode::io, "down");
                            Credentials credentials;
                            credentials.access_key_id = std::to_string(++fetched);
                            credentials.expires = clock.now() + int64_t{3600} * 1'000'000'000;
                            return credentials;
                          }}},
                        clock);
  EXPECT_EQ((*chain.get())->access_key_id, "1");
  clock.sleep_for(std::chrono::minutes(49));
  EXPECT_EQ((*chain.get())->access_key_id, "1");
  fails = true;
  clock.sleep_for(std::chrono::minutes(2));
  EXPECT_EQ((*chain.get())->access_key_id, "1");  // Still good.
  fails = false;
  EXPECT_EQ((*chain.get())->access_key_id, "2");
  chain.reject(*chain.get());
  EXPECT_EQ((*chain.get())->access_key_id, "3");
  fails = true;
  clock.sleep_for(std::chrono::minutes(61));
  EXPECT_FALSE(chain.get().has_value());
}

TEST(Settings, the_nearer_word_counts) {
  std::map<std::string, std::string> variables;
  const Environment environment = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  const SharedConfig shared = *SharedConfig::parse(
      "[default]\nregion = from-file\nservices = mine\nendpoint_url = http://all\n[services mine]\ns3 =\n endpoint_url = http://s3\n", "");
  EXPECT_EQ(resolve_settings({}, environment, shared)->region, "from-file");
  EXPECT_EQ(resolve_settings({}, environment, shared)->endpoint_url, "http://s3");
  EXPECT_EQ(resolve_settings({.service = "sts"}, environment, shared)->endpoint_url, "http://all");
  variables = {{"AWS_REGION", "from-env"}, {"AWS_ENDPOINT_URL", "http://env"}, {"AWS_CA_BUNDLE", "/ca"}};
  EXPECT_EQ(resolve_settings({}, environment, shared)->region, "from-env");
  EXPECT_EQ(resolve_settings({}, environment, shared)->endpoint_url, "http://env");
  EXPECT_EQ(resolve_settings({}, environment, shared)->ca_file, "/ca");
  variables["AWS_ENDPOINT_URL_S3"] = "http://env-s3";
  EXPECT_EQ(resolve_settings({}, environment, shared)->endpoint_url, "http://env-s3");
  EXPECT_EQ(resolve_settings({.region = "asked"}, environment, shared)->region, "asked");
  EXPECT_FALSE(resolve_settings({.region = "a/b"}, environment, shared).has_value());
  variables["AWS_MAX_ATTEMPTS"] = "0";
  EXPECT_FALSE(resolve_settings({}, environment, shared).has_value());
  EXPECT_EQ(aws_endpoint_url("s3", "eu-central-1"), "https://s3.eu-central-1.amazonaws.com");
  EXPECT_EQ(aws_endpoint_url("s3", "cn-north-1"), "https://s3.cn-north-1.amazonaws.com.cn");
}

}  // namespace
}  // namespace holdfast::aws
