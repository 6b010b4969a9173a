#include "commands/Arguments.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>
#include <vector>

#include "commands/AppSelection.h"
#include "commands/CommandFailure.h"
#include "support/SmallStatus.h"

namespace Passenger {

using namespace std::chrono_literals;

class ArgumentsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ArgumentsTest);
    CPPUNIT_TEST(testOptionsMayStandBehindOperands);
    CPPUNIT_TEST(testALetterStandsForAnOptionWithAValue);
    CPPUNIT_TEST(testARepeatedOptionHasAllItsValues);
    CPPUNIT_TEST(testAnOptionalValueIsANumber);
    CPPUNIT_TEST(testAMistakeNamesTheWordAndTheRemedy);
    CPPUNIT_TEST(testATimeHasLimits);
    CPPUNIT_TEST(testANumberIsWithinItsLimits);
    CPPUNIT_TEST(testApplicationsAreSelectedByPathNameOrAll);
    CPPUNIT_TEST(testANameFitsWithoutItsUser);
    CPPUNIT_TEST(testApplicationsAreSelectedInOneWayOnly);
    CPPUNIT_TEST_SUITE_END();

    static Arguments status(const std::vector<std::string> &words) {
        return Arguments::parse(*findCommand("passenger-status"), words);
    }
    static Arguments prefork(const std::vector<std::string> &words) {
        return Arguments::parse(*findCommand("passenger-prefork"), words);
    }
    static Arguments restart(const std::vector<std::string> &words) {
        return Arguments::parse(*findCommand("passenger-config", "restart-app"), words);
    }

    template <class Action> static std::string failure(Action action) {
        try {
            action();
        } catch (const CommandFailureException &error) {
            CPPUNIT_ASSERT_EQUAL(ExitStatus::FAILED, error.status());
            return error.what();
        }
        CPPUNIT_FAIL("no failure");
        return {};
    }

public:
    void testOptionsMayStandBehindOperands() {
        const Arguments arguments = status({"AbC", "--show=xml", "-v"});
        CPPUNIT_ASSERT_EQUAL(std::string("xml"), arguments.value("show"));
        CPPUNIT_ASSERT(arguments.has("verbose"));
        CPPUNIT_ASSERT(!arguments.has("watch"));
        CPPUNIT_ASSERT(std::vector<std::string>{"AbC"} == arguments.operands());
    }

    void testALetterStandsForAnOptionWithAValue() {
        const Arguments arguments = prefork({"-etest", "-l", "3000", "/srv/blog"});
        CPPUNIT_ASSERT_EQUAL(std::string("test"), arguments.value("environment"));
        CPPUNIT_ASSERT_EQUAL(std::string("3000"), arguments.value("listen"));
        CPPUNIT_ASSERT(std::vector<std::string>{"/srv/blog"} == arguments.operands());
        CPPUNIT_ASSERT_EQUAL(std::string("-l needs a value: passenger-prefork --help lists what there is"),
                             failure([] { prefork({"-l"}); }));
    }

    void testARepeatedOptionHasAllItsValues() {
        const Arguments arguments = prefork({"--listen", "3000", "-l", "3001", "--start=1", "--start=2"});
        CPPUNIT_ASSERT((std::vector<std::string>{"3000", "3001"}) == arguments.all("listen"));
        CPPUNIT_ASSERT_EQUAL(std::string("2"), arguments.value("start"));
        CPPUNIT_ASSERT(arguments.all("unix").empty());
    }

    void testAnOptionalValueIsANumber() {
        CPPUNIT_ASSERT(1500ms == status({"--watch=1.5"}).seconds("watch"));
        CPPUNIT_ASSERT(3s == status({"--watch", "3"}).seconds("watch"));
        const Arguments arguments = status({"--watch", "AbC"});
        CPPUNIT_ASSERT_EQUAL(std::string(), arguments.value("watch"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, arguments.operands().size());
    }

    void testAMistakeNamesTheWordAndTheRemedy() {
        CPPUNIT_ASSERT_EQUAL(std::string("--nothing is not an option: passenger-status --help lists what there is"),
                             failure([] { status({"--nothing"}); }));
        CPPUNIT_ASSERT_EQUAL(
            std::string("--name needs a value: passenger-config restart-app --help lists what there is"),
            failure([] { restart({"--name"}); }));
        CPPUNIT_ASSERT_EQUAL(std::string("-p is not an option: passenger-prefork --help lists what there is"),
                             failure([] {
                                 prefork({"/srv/blog", "-p3000"});
                             }));
        CPPUNIT_ASSERT_EQUAL(std::string("--early-hints takes no value: passenger-prefork --help lists what there is"),
                             failure([] { prefork({"--early-hints=yes"}); }));
        CPPUNIT_ASSERT_EQUAL(std::string("b is too much: passenger-status --help lists what there is"), failure([] {
                                 status({"a", "b"});
                             }));
        CPPUNIT_ASSERT_EQUAL(std::string("--sort age is not possible: write one of requests, queue, memory, cpu, name; "
                                         "passenger-status --help lists what there is"),
                             failure([] {
                                 status({"--sort", "age"});
                             }));
    }

    void testATimeHasLimits() {
        for (const char *text : {"-1", "nan", "1e99", "x", ""}) {
            CPPUNIT_ASSERT_EQUAL(
                std::string("--wait ") + text + " is not a time: write seconds, from 0 to a year (31536000)",
                failure([text] {
                    (void)restart({"--wait", text}).seconds("wait");
                }));
        }
        CPPUNIT_ASSERT(!restart({}).seconds("wait"));
        CPPUNIT_ASSERT_MESSAGE("A tiny time is not zero", 1ms == restart({"--wait", "1e-9"}).seconds("wait"));
    }

    void testANumberIsWithinItsLimits() {
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, restart({"--wait", "0"}).number("wait", 0, 9).value());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, restart({"--wait", "9"}).number("wait", 0, 9).value());
        for (const char *text : {"0", "10", "-1", "1.5", "x", ""}) {
            CPPUNIT_ASSERT_EQUAL(std::string("--wait ") + text + " is not a number of days: write 1 to 9",
                                 failure([text] {
                                     (void)restart({"--wait", text}).number("wait", 1, 9, "a number of days");
                                 }));
        }
        CPPUNIT_ASSERT(!restart({}).number("wait", 0, 9));
    }

    void testApplicationsAreSelectedByPathNameOrAll() {
        const auto apps = smallStatus().apps;
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, selectApps(restart({"/srv"}), apps).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, selectApps(restart({"/srv/b"}), apps).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, selectApps(restart({"."}), apps).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, selectApps(restart({"--all"}), apps).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, selectApps(restart({"--name", "/srv/blog (production)"}), apps).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, selectApps(restart({"--name", "/srv/blog"}), apps).size());
        CPPUNIT_ASSERT_EQUAL(std::string("no application has the name x. Running are:\n"
                                         "  /srv/blog (production)  (/srv/blog)\n"
                                         "  /srv/shop <&> (production)  (/srv/shop <&>)"),
                             noSuchApp(restart({"--name", "x"}), apps));
    }

    void testANameFitsWithoutItsUser() {
        auto apps = smallStatus().apps;
        const Arguments arguments = restart({"--name", "/srv/blog (production)"});
        apps[0].name += " as daemon";
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, selectApps(arguments, apps).size());
        apps[1].name = "/srv/blog (production)";
        CPPUNIT_ASSERT_EQUAL(apps[1].name, selectApps(arguments, apps).at(0).name);
        apps[1].name = "/srv/blog (production) assets";
        CPPUNIT_ASSERT_EQUAL(apps[0].name, selectApps(arguments, apps).at(0).name);
    }

    void testApplicationsAreSelectedInOneWayOnly() {
        failure([] { selectApps(restart({}), {}); });
        failure([] { selectApps(restart({"--all", "/srv"}), {}); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ArgumentsTest);

}  // namespace Passenger
