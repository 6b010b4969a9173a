#include "commands/AgentFinder.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "commands/CommandFailure.h"
#include "rights/RegistryFolder.h"

namespace Passenger {

class AgentFinderTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AgentFinderTest);
    CPPUNIT_TEST(testALivingAgentIsFound);
    CPPUNIT_TEST(testAnAgentWhosePoolProcessIsBeingReplacedIsFound);
    CPPUNIT_TEST(testDeadAgentsAndUnfinishedFoldersAreIgnored);
    CPPUNIT_TEST(testFoldersOfOtherUsersAreIgnored);
    CPPUNIT_TEST(testWithoutAnAgentTheFailureNamesTheFolderAndTheRemedy);
    CPPUNIT_TEST(testTheNewestAgentOfOneHttpdIsChosen);
    CPPUNIT_TEST(testAgentsOfTwoHttpdsAreListedAndOneIsChosenByNameOrPid);
    CPPUNIT_TEST(testTheEnvironmentAndTheOptionNameTheFolder);
    CPPUNIT_TEST_SUITE_END();

    /** Beyond the kernel's limit. */
    static constexpr int NOBODYS_PID = 2'000'000'000;

    std::string folder_;
    std::vector<RegistryFolder> made_;

    const RegistryFolder &agent(int watchdog = 4711) {
        made_.push_back(RegistryFolder::make(folder_, 5, watchdog, 4712));
        return made_.back();
    }
    static void setProperties(const RegistryFolder &agent, int httpd, int startedAt) {
        std::ofstream file(agent.path + "/properties.json");
        file << R"({"version":"0.1.0","pid":4711,"pool_pid":4712,"httpd_pid":)" << httpd << R"(,"started_at":)"
             << startedAt << "}";
    }
    static std::string nameOf(const RegistryFolder &agent) { return agent.path.substr(agent.path.size() - 6); }

    template <class Action> static std::string failure(Action action) {
        try {
            action();
        } catch (const CommandFailureException &error) {
            return error.what();
        }
        CPPUNIT_FAIL("no failure");
        return {};
    }

public:
    void setUp() override {
        std::string name = std::filesystem::temp_directory_path() / "finder-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(name.data()) != nullptr);
        folder_ = name;
    }

    void tearDown() override {
        made_.clear();
        std::filesystem::remove_all(folder_);
    }

    void testALivingAgentIsFound() {
        const auto &made = agent();
        const auto found = AgentFinder(folder_).list();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, found.size());
        CPPUNIT_ASSERT_EQUAL(made.path, found[0].folder);
        CPPUNIT_ASSERT_EQUAL(nameOf(made), found[0].name);
        CPPUNIT_ASSERT_EQUAL(4711, found[0].watchdogPid);
        CPPUNIT_ASSERT_EQUAL(4712, found[0].poolPid);
        CPPUNIT_ASSERT_EQUAL(std::string(PASSENGER_VERSION), found[0].version);
        found[0].connect();
    }

    void testAnAgentWhosePoolProcessIsBeingReplacedIsFound() {
        agent(::getpid());
        made_.back().socket.reset();
        const auto found = AgentFinder(folder_).list();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, found.size());
        CPPUNIT_ASSERT_THROW(found[0].connect(), AbsentAgentException);
        // Another process has the anchor's pid now.
        std::ofstream(made_.back().path + "/properties.json")
            << R"({"version":"0.1.0","pid":)" << ::getpid() << R"(,"pool_pid":1,"httpd_pid":)" << ::getpid()
            << R"(,"started_at":100})";
        CPPUNIT_ASSERT(AgentFinder(folder_).list().empty());
    }

    void testDeadAgentsAndUnfinishedFoldersAreIgnored() {
        agent(NOBODYS_PID);
        made_.back().socket.reset();
        const auto &second = agent();
        std::ofstream(second.path + "/properties.json") << "{";
        CPPUNIT_ASSERT(AgentFinder(folder_).list().empty());
        CPPUNIT_ASSERT(AgentFinder(folder_ + "/missing").list().empty());
    }

    void testFoldersOfOtherUsersAreIgnored() {
        if (::geteuid() != 0) {
            return;
        }
        constexpr uid_t NOBODY = 65534;
        CPPUNIT_ASSERT_EQUAL(0, ::chown(agent().path.c_str(), NOBODY, NOBODY));
        CPPUNIT_ASSERT(AgentFinder(folder_).list().empty());
    }

    void testWithoutAnAgentTheFailureNamesTheFolderAndTheRemedy() {
        const std::string text = failure([this] { AgentFinder(folder_).choose(""); });
        CPPUNIT_ASSERT(text.find("as far as " + folder_ + " shows") != std::string::npos);
        CPPUNIT_ASSERT(text.find("--registry-dir") != std::string::npos);
    }

    void testTheNewestAgentOfOneHttpdIsChosen() {
        agent();
        agent();
        setProperties(made_[0], 5, 200);
        setProperties(made_[1], 5, 100);
        CPPUNIT_ASSERT_EQUAL(nameOf(made_[0]), AgentFinder(folder_).choose("").name);
        CPPUNIT_ASSERT_EQUAL(nameOf(made_[1]), AgentFinder(folder_).choose(nameOf(made_[1])).name);
    }

    void testAgentsOfTwoHttpdsAreListedAndOneIsChosenByNameOrPid() {
        agent(4711);
        agent(4713);
        setProperties(made_[0], 5, 100);
        std::ofstream(made_[1].path + "/properties.json")
            << R"({"version":"0.1.0","pid":4713,"pool_pid":1,"httpd_pid":6,"started_at":100})";
        const AgentFinder finder(folder_);
        const std::string text = failure([&finder] { finder.choose(""); });
        CPPUNIT_ASSERT(text.starts_with("several agents are running"));
        for (const auto &one : made_) {
            CPPUNIT_ASSERT(text.find(nameOf(one)) != std::string::npos);
            CPPUNIT_ASSERT_EQUAL(nameOf(one), finder.choose(nameOf(one)).name);
        }
        CPPUNIT_ASSERT_EQUAL(nameOf(made_[1]), finder.chooseByPid("4713").name);
        failure([&finder] { finder.chooseByPid("1"); });
        failure([&finder] { finder.choose("no such"); });
    }

    void testTheEnvironmentAndTheOptionNameTheFolder() {
        const CommandSpec &command = *findCommand("passenger-status");
        ::setenv("PASSENGER_INSTANCE_REGISTRY_DIR", "/from/environment", 1);
        const AgentFinder named(Arguments::parse(command, {"--registry-dir=/from/option"}));
        const AgentFinder other(Arguments::parse(command, {}));
        ::unsetenv("PASSENGER_INSTANCE_REGISTRY_DIR");
        CPPUNIT_ASSERT_EQUAL(std::string("/from/option"), named.folder());
        CPPUNIT_ASSERT_EQUAL(std::string("/from/environment"), other.folder());
        CPPUNIT_ASSERT_EQUAL(std::string(PASSENGER_RUNTIME_DIR), AgentFinder(Arguments::parse(command, {})).folder());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AgentFinderTest);

}  // namespace Passenger
