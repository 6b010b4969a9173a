#include "spawning/Secrets.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class SecretsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SecretsTest);
    CPPUNIT_TEST(testNamesOfSecretsAreRecognized);
    CPPUNIT_TEST(testOtherNamesAreNoSecrets);
    CPPUNIT_TEST(testAPasswordInAUrlIsHidden);
    CPPUNIT_TEST(testAPasswordMayHaveASlash);
    CPPUNIT_TEST(testATokenInAUrlIsHidden);
    CPPUNIT_TEST(testThePasswordOfAUrlIsHiddenEverywhere);
    CPPUNIT_TEST(testValuesBehindSecretNamesAreHidden);
    CPPUNIT_TEST(testAnEmptySecretIsShownAsEmpty);
    CPPUNIT_TEST(testSecretsAreHiddenInTexts);
    CPPUNIT_TEST(testIfOneSecretContainsAnotherTheLongerOneIsHiddenWhole);
    CPPUNIT_TEST(testShortValuesAreNotHiddenInTexts);
    CPPUNIT_TEST(testASecretThatOverlapsAnotherIsHiddenWhole);
    CPPUNIT_TEST(testTheResultOfALargeTextFullOfSecretsIsSmall);
    CPPUNIT_TEST(testOfALongTextTheEndIsKept);
    CPPUNIT_TEST(testNoPartOfASecretThatIsCutIsShown);
    CPPUNIT_TEST(testWithTooManySecretsTheTextIsHidden);
    CPPUNIT_TEST_SUITE_END();

public:
    void testNamesOfSecretsAreRecognized() {
        for (const char *name : {"SECRET_KEY_BASE",    "RAILS_MASTER_KEY",
                                 "API_TOKEN",          "api_key",
                                 "MYAPIKEY",           "DB_PASS",
                                 "DB_PASSWORD",        "PGPASSWORD",
                                 "MYSQL_PWD",          "AWS_SECRET_ACCESS_KEY",
                                 "GOOGLE_CREDENTIALS", "PASSWORD",
                                 "SMTP_PASSWD",        "SSH_PRIVATE",
                                 "DEVISE_PEPPER",      "SENTRY_DSN",
                                 "mail.password",      "BASIC_AUTH",
                                 "AWS_ACCESSKEY",      "BUNDLE_GEMS__EXAMPLE__COM"}) {
            CPPUNIT_ASSERT_MESSAGE(name, Secrets::looksSecret(name));
        }
    }

    void testOtherNamesAreNoSecrets() {
        for (const char *name : {"PATH", "HOME", "RAILS_ENV", "PASSENGER_APP_ENV", "IN_PASSENGER", "PWD", "OLDPWD",
                                 "KEYBOARD", "LANG", "DATABASE_URL", "BYPASS_CACHE", "MONKEY"}) {
            CPPUNIT_ASSERT_MESSAGE(name, !Secrets::looksSecret(name));
        }
    }

    void testAPasswordInAUrlIsHidden() {
        CPPUNIT_ASSERT_EQUAL(std::string("postgres://blog:[hidden]@db:5432/blog?ssl=1"),
                             Secrets::shown("DATABASE_URL", "postgres://blog:sw@rdfish@db:5432/blog?ssl=1"));
        CPPUNIT_ASSERT_EQUAL(std::string("http://host:80/a@b:c"), Secrets::shown("URL", "http://host:80/a@b:c"));
    }

    void testAPasswordMayHaveASlash() {
        CPPUNIT_ASSERT_EQUAL(std::string("postgres://u:[hidden]@h/db"), Secrets::shown("URL", "postgres://u:p/w@h/db"));
    }

    void testATokenInAUrlIsHidden() {
        CPPUNIT_ASSERT_EQUAL(std::string("https://[hidden]@host/x"),
                             Secrets::shown("URL", "https://ghp_0123456789abcdefghij@host/x"));
        CPPUNIT_ASSERT_EQUAL(std::string("ssh://git@host/x"), Secrets::shown("URL", "ssh://git@host/x"));
    }

    void testThePasswordOfAUrlIsHiddenEverywhere() {
        const Secrets secrets(Secrets::Variables{{"DATABASE_URL", "postgres://blog:swordfish@db/blog"}});
        CPPUNIT_ASSERT_EQUAL(std::string("no login with [hidden]"), secrets.hide("no login with swordfish"));
    }

    void testValuesBehindSecretNamesAreHidden() {
        const Secrets secrets{Secrets::Variables()};
        CPPUNIT_ASSERT_EQUAL(std::string(R"({"user": "blog", "password": "[hidden]", "port": 1})"),
                             secrets.hide(R"({"user": "blog", "password": "sword", "port": 1})"));
        CPPUNIT_ASSERT_EQUAL(std::string(R"({:api_key=>"[hidden]", :host=>"db"})"),
                             secrets.hide(R"({:api_key=>"sword", :host=>"db"})"));
        CPPUNIT_ASSERT_EQUAL(std::string(R"(key not found: "password")"), secrets.hide(R"(key not found: "password")"));
    }

    void testAnEmptySecretIsShownAsEmpty() {
        CPPUNIT_ASSERT_EQUAL(std::string(), Secrets::shown("SECRET_KEY_BASE", ""));
        CPPUNIT_ASSERT_EQUAL(std::string("[hidden]"), Secrets::shown("SECRET_KEY_BASE", "x"));
    }

    void testSecretsAreHiddenInTexts() {
        const Secrets secrets({{"API_TOKEN", "swordfish"}, {"HOME", "/home/blog"}});
        CPPUNIT_ASSERT_EQUAL(std::string("in /home/blog: [hidden], [hidden]! redis://:[hidden]@cache"),
                             secrets.hide("in /home/blog: swordfish, swordfish! redis://:pass@cache"));
    }

    void testIfOneSecretContainsAnotherTheLongerOneIsHiddenWhole() {
        const Secrets secrets({{"A_KEY", "swordfish"}, {"B_KEY", "swordfish-and-chips"}});
        CPPUNIT_ASSERT_EQUAL(std::string("[hidden]"), secrets.hide("swordfish-and-chips"));
    }

    void testShortValuesAreNotHiddenInTexts() {
        CPPUNIT_ASSERT_EQUAL(std::string("testing"), Secrets(Secrets::Variables{{"API_KEY", "test"}}).hide("testing"));
    }

    void testASecretThatOverlapsAnotherIsHiddenWhole() {
        const Secrets secrets({{"A_KEY", "swordfish"}, {"B_KEY", "fish-and-chips"}});
        CPPUNIT_ASSERT_EQUAL(std::string("a [hidden] b"), secrets.hide("a swordfish-and-chips b"));
    }

    /** The event loop waits for the result, and its size bounds the time. */
    void testTheResultOfALargeTextFullOfSecretsIsSmall() {
        for (const std::string part : {R"(pin="x")", "aaaaaa ", "x://u:p@h/"}) {
            std::string text;
            while (text.size() < 1638400) {
                text += part;
            }
            const Secrets secrets(Secrets::Variables{{"DB_SECRET", "aaaaaa"}});
            const std::string hidden = secrets.hide(text, Report::Keep::END);
            CPPUNIT_ASSERT(hidden.find(Secrets::HIDDEN) != std::string::npos);
            CPPUNIT_ASSERT(hidden.size() < 256UL * 1024);
        }
    }

    void testOfALongTextTheEndIsKept() {
        const Secrets secrets(Secrets::Variables{{"API_TOKEN", "swordfish"}});
        const std::string middle(1024UL * 1024, '.');
        const std::string end = secrets.hide("begin" + middle + "swordfish", Report::Keep::END);
        CPPUNIT_ASSERT(end.ends_with(".[hidden]") && end.size() > Report::MAX_PART);
        const std::string begin = secrets.hide("swordfish" + middle + "end");
        CPPUNIT_ASSERT(begin.starts_with("[hidden].") && begin.ends_with(".[hidden]"));
    }

    void testNoPartOfASecretThatIsCutIsShown() {
        const std::string secret(1000, 's');
        const Secrets secrets(Secrets::Variables{{"API_TOKEN", secret}});
        for (const std::size_t size : {65000UL, 65500UL, 65535UL}) {
            const std::string rest(size, '.');
            CPPUNIT_ASSERT(secrets.hide(secret + rest, Report::Keep::END).find('s') == std::string::npos);
            CPPUNIT_ASSERT(secrets.hide(rest + secret).find('s') == std::string::npos);
        }
    }

    void testWithTooManySecretsTheTextIsHidden() {
        Secrets::Variables environment;
        for (unsigned i = 0; i < 1000; i++) {
            environment["KEY_" + std::to_string(i)] = "value" + std::to_string(i);
        }
        CPPUNIT_ASSERT_EQUAL(std::string(Secrets::HIDDEN), Secrets(environment).hide("a value1"));
        for (auto &[name, value] : environment) {
            value = "the same";
        }
        CPPUNIT_ASSERT_EQUAL(std::string("a value1"), Secrets(environment).hide("a value1"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SecretsTest);

}  // namespace Passenger
