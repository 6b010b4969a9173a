#include "spawning/SpawnReport.h"

#include <cppunit/extensions/HelperMacros.h>
#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/Split.h"
#include "base/SystemUserDatabase.h"
#include "base/UserDatabase.h"
#include "spawning/Spawner.h"
#include "support/Expect.h"
#include "support/SpawningFixture.h"

namespace Passenger {

/** The report of a failed spawn shows the limits, ids and environment that a real process had. */
class SpawnReportTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(SpawnReportTest);
    CPPUNIT_TEST(testTheReportHasTheLimitsOfTheProcess);
    CPPUNIT_TEST(testTheReportHasTheIdsOfTheProcess);
    CPPUNIT_TEST(testAsRootTheReportHasTheIdsOfTheConfiguredUserAndGroup);
    CPPUNIT_TEST(testTheReportHasTheEnvironmentOfTheProcess);
    CPPUNIT_TEST(testTheReportHidesSecretsInTheEnvironment);
    CPPUNIT_TEST(testTheReportOfAServerThatAcceptsNothingHasTheExceptionOfItsWorkers);
    CPPUNIT_TEST(testLongNamesAreCutInTheSummary);
    CPPUNIT_TEST(testAStartIsLateBesideOthersOnly);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char *IDS = "User and groups of the process";
    static constexpr const char *LIMITS = "Limits (soft, hard)";
    static constexpr const char *ENVIRONMENT = "Environment";

    using Check = void (*)(const Report &);

    /** A Ruby wrapper that first runs these shell commands. */
    std::string rubyAfter(const std::string &commands) {
        std::string wrapper = folder_->path() + "/ruby-wrapper";
        std::ofstream(wrapper) << "#!/bin/sh\n" << commands << "exec " << options().ruby << " \"$@\"\n";
        std::filesystem::permissions(wrapper, std::filesystem::perms(0755));
        return wrapper;
    }

    /** Checks both spawn methods. */
    void expectOfFailures(Options options, Check check) {
        folder_->setStartupFile("raise 'no'\n");
        for (const char *method : {"smart", "direct"}) {
            options.spawnMethod = method;
            check(failure(options));
        }
    }

    Report failure(const Options &options) {
        const auto spawner = factory_->create(options);
        return *thrownBy<SpawnException>([&] { spawner->spawn(options); }).details();
    }

    /** The cells after `name` in the table. */
    static std::string cells(const Report &report, const std::string &table, const std::string &name) {
        for (const auto &part : report.parts) {
            for (const std::string &row : split(part.text, '\n')) {
                if (part.title == table && row.starts_with(name + "\t")) {
                    return row.substr(name.size() + 1);
                }
            }
        }
        return "no row \"" + name + "\"";
    }

    static void expectRow(const Report &report, const char *table, const char *name, const std::string &expected) {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(name, expected, cells(report, table, name));
    }

    /** Sorted, as the kernel lists them. */
    static std::string listOf(std::vector<gid_t> groups) {
        std::sort(groups.begin(), groups.end());
        std::string list;
        for (const gid_t group : groups) {
            list += (list.empty() ? "" : " ") + std::to_string(group);
        }
        return list.empty() ? "none" : list;
    }

    static std::vector<gid_t> ownGroups() {
        std::vector<gid_t> groups(static_cast<std::size_t>(::getgroups(0, nullptr)));
        CPPUNIT_ASSERT(::getgroups(static_cast<int>(groups.size()), groups.data()) >= 0);
        return groups;
    }

    /** A user without further groups. */
    static UserDatabase::User otherUser() { return SystemUserDatabase().userNamed("daemon").value(); }
    static UserDatabase::Group otherGroup() { return SystemUserDatabase().groupNamed("games").value(); }

public:
    void testTheReportHasTheLimitsOfTheProcess() {
        auto options = this->options();
        options.ruby =
            rubyAfter("ulimit -S -n 345\nulimit -H -n 678\nulimit -c 0\nulimit -S -t 4711\nulimit -H -t 4712\n");
        expectOfFailures(options, [](const Report &report) {
            expectRow(report, LIMITS, "Max open files (files)", "345\t678");
            expectRow(report, LIMITS, "Max core file size (bytes)", "0\t0");
            expectRow(report, LIMITS, "Max cpu time (seconds)", "4711\t4712");
        });
    }

    void testTheReportHasTheIdsOfTheProcess() {
        if (::geteuid() == 0) {
            return;
        }
        expectOfFailures(options(), [](const Report &report) {
            expectRow(report, IDS, "user id", std::to_string(::geteuid()));
            expectRow(report, IDS, "group id", std::to_string(::getegid()));
            expectRow(report, IDS, "groups", listOf(ownGroups()));
        });
    }

    void testAsRootTheReportHasTheIdsOfTheConfiguredUserAndGroup() {
        if (::geteuid() != 0) {
            return;
        }
        auto options = this->options();
        options.user = otherUser().name;
        options.group = otherGroup().name;
        expectOfFailures(options, [](const Report &report) {
            expectRow(report, IDS, "user id", std::to_string(otherUser().uid));
            expectRow(report, IDS, "group id", std::to_string(otherGroup().gid));
            std::vector<gid_t> groups(64);
            int count = static_cast<int>(groups.size());
            CPPUNIT_ASSERT(::getgrouplist(otherUser().name.c_str(), otherGroup().gid, groups.data(), &count) >= 0);
            groups.resize(static_cast<std::size_t>(count));
            expectRow(report, IDS, "groups", listOf(groups));
        });
    }

    void testTheReportHasTheEnvironmentOfTheProcess() {
        auto options = this->options();
        options.variables = [] {
            return Options::Variables{{"PATH", "/opt/blog/bin:/usr/local/bin:/usr/bin:/bin"}, {"GREETING", "one\ntwo"}};
        };
        options.ruby = rubyAfter("export OF_WRAPPER=$PATH\n");
        expectOfFailures(options, [](const Report &report) {
            for (const char *name : {"PATH", "OF_WRAPPER"}) {
                expectRow(report, ENVIRONMENT, name, "/opt/blog/bin:/usr/local/bin:/usr/bin:/bin");
            }
            expectRow(report, ENVIRONMENT, "GREETING", "one\\ntwo");
            expectRow(report, ENVIRONMENT, "IN_PASSENGER", "1");
        });
    }

    void testTheReportHidesSecretsInTheEnvironment() {
        auto options = this->options();
        options.variables = [] {
            return Options::Variables{{"SECRET_KEY_BASE", "swordfish"},
                                      {"DATABASE_URL", "postgres://blog:herring@db/blog"},
                                      {"AD_BLOG", "ask for swordfish or herring"}};
        };
        expectOfFailures(options, [](const Report &report) {
            expectRow(report, ENVIRONMENT, "SECRET_KEY_BASE", "[hidden]");
            expectRow(report, ENVIRONMENT, "DATABASE_URL", "postgres://blog:[hidden]@db/blog");
            for (const char *secret : {"swordfish", "herring"}) {
                CPPUNIT_ASSERT_EQUAL_MESSAGE(report.text(), std::string::npos, report.text().find(secret));
            }
        });
    }

    // As unicorn, which starts another worker for each one that ends.
    void testTheReportOfAServerThatAcceptsNothingHasTheExceptionOfItsWorkers() {
        SpawnReport report;
        report.output = "config.ru:1:in `require': cannot load such file -- nosuch (LoadError)\nworker=0 spawning...\n";
        report.failedBy(
            Frame(FrameType::FAILED,
                  {"application listens", "",
                   "the command \"serve\" has listened on 127.0.0.1 port 4711, but has accepted no connection "
                   "after PassengerStartTimeout, 90 seconds\nremedy",
                   ""}));
        const std::string summary = report.toReport(options()).summary;
        CPPUNIT_ASSERT_MESSAGE(summary, summary.ends_with("90 seconds: LoadError: cannot load such file -- nosuch"));
    }

    void testLongNamesAreCutInTheSummary() {
        const std::string name(100'000, 'x');
        SpawnReport report;
        report.failedBy(Frame(FrameType::FAILED, {name, name, "the message", name}));
        const std::string line = report.toReport(options()).summary;
        CPPUNIT_ASSERT(line.size() < 1000);
        CPPUNIT_ASSERT(line.find(": the message") != std::string::npos);
        report.summary = name;
        CPPUNIT_ASSERT_EQUAL(std::size_t{4096}, report.toReport(options()).summary.size());
    }

    void testAStartIsLateBesideOthersOnly() {
        SpawnReport report;
        report.timedOut = true;
        Options beside = options();
        beside.othersServe = true;
        CPPUNIT_ASSERT(report.toReport(beside).late);
        CPPUNIT_ASSERT(!report.toReport(options()).late);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnReportTest);

}  // namespace Passenger
