#include "agent/MonitoredFiles.h"

#include <cppunit/extensions/HelperMacros.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "loop/EventLoop.h"
#include "rights/OwnRights.h"
#include "spawning/AppResources.h"
#include "spawning/SpawnManager.h"
#include "support/CapturedLog.h"
#include "support/LeakCheck.h"

namespace Passenger {

class MonitoredFilesTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(MonitoredFilesTest);
    CPPUNIT_TEST(testEachFileHasTheUserOfItsApplication);
    CPPUNIT_TEST(testAnApplicationWithoutAUserDoesNotAffectOthers);
    CPPUNIT_TEST(testTheLastKnownUserIsUsed);
    CPPUNIT_TEST(testAFailureIsLoggedOnceUntilItEnds);
    CPPUNIT_TEST_SUITE_END();

    class FakeRights final : public OwnRights {
    public:
        tl::expected<RunAs, std::string> userOf(const Options &options, const UserResolver & /*own*/,
                                                bool /*canSwitch*/) override {
            if (failing.contains(options.appGroupName)) {
                throw IOException("no answer");
            }
            RunAs owner;
            owner.user = options.appGroupName;
            return owner;
        }
        std::set<std::string> failing;
    };

    std::unique_ptr<CapturedLog> log_;
    FakeRights rights_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<SpawnManager> manager_;
    std::unique_ptr<AppResources> resources_;
    std::unique_ptr<MonitoredFiles> files_;

    static Options application(const std::string &name, const std::string &paths) {
        Options options;
        options.appGroupName = name;
        options.monitoredFiles = paths;
        return options;
    }

    /** Each file as `PATH USER`. */
    std::vector<std::string> list() {
        std::vector<std::string> result;
        for (const auto &file : files_->list()) {
            result.push_back(file.path + " " + file.owner.user);
        }
        return result;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        log_ = std::make_unique<CapturedLog>();
        Rights::use(&rights_);
        loop_ = std::make_unique<EventLoop>();
        manager_ = std::make_unique<SpawnManager>(*loop_, SpawnSettings());
        resources_ = std::make_unique<AppResources>(*loop_, *manager_);
        files_ = std::make_unique<MonitoredFiles>(*resources_, [] {
            return std::vector<Options>{application("one", "/a\n/b"), application("two", "/c")};
        });
    }

    void tearDown() override {
        files_.reset();
        resources_.reset();
        manager_.reset();
        loop_.reset();
        rights_.failing.clear();
        Rights::use(nullptr);
        log_.reset();
        LeakCheck::tearDown();
    }

    void testEachFileHasTheUserOfItsApplication() {
        CPPUNIT_ASSERT((list() == std::vector<std::string>{"/a one", "/b one", "/c two"}));
        resources_->outputs.reopen("/a\n/c");
        const auto files = files_->list();
        CPPUNIT_ASSERT(files[0].namedBy == AppFile::NamedBy::CONFIGURATION);
        CPPUNIT_ASSERT(files[1].namedBy == AppFile::NamedBy::CHILD);
    }

    void testAnApplicationWithoutAUserDoesNotAffectOthers() {
        rights_.failing = {"one"};
        CPPUNIT_ASSERT((list() == std::vector<std::string>{"/c two"}));
    }

    void testTheLastKnownUserIsUsed() {
        list();
        rights_.failing = {"one"};
        CPPUNIT_ASSERT((list() == std::vector<std::string>{"/a one", "/b one", "/c two"}));
    }

    void testAFailureIsLoggedOnceUntilItEnds() {
        rights_.failing = {"one"};
        list();
        list();
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=monitor.failed app=\"one\""));
        rights_.failing.clear();
        list();
        rights_.failing = {"one"};
        list();
        CPPUNIT_ASSERT_EQUAL(2U, log_->count("event=monitor.failed app=\"one\""));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MonitoredFilesTest);

}  // namespace Passenger
