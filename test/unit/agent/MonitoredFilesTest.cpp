#include "agent/MonitoredFiles.h"

#include <cppunit/extensions/HelperMacros.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/Exceptions.h"
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

    std::unique_ptr<CapturedLog> log_;
    std::set<std::string> failing_;
    std::unique_ptr<MonitoredFiles> files_;

    static Options application(const std::string &name, const std::string &paths) {
        Options options;
        options.appGroupName = name;
        options.monitoredFiles = paths;
        return options;
    }

    tl::expected<RunAs, std::string> userOf(const Options &options) const {
        if (failing_.contains(options.appGroupName)) {
            throw IOException("no answer");
        }
        RunAs owner;
        owner.user = options.appGroupName;
        return owner;
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
        files_ = std::make_unique<MonitoredFiles>(MonitoredFiles::Parts{
            [] {
                return std::vector<Options>{application("one", "/a\n/b"), application("two", "/c")};
            },
            [this](const Options &options) { return userOf(options); },
            [](const std::string &) { return AppFile::NamedBy::CONFIGURATION; }});
    }

    void tearDown() override {
        files_.reset();
        failing_.clear();
        log_.reset();
        LeakCheck::tearDown();
    }

    void testEachFileHasTheUserOfItsApplication() {
        CPPUNIT_ASSERT((list() == std::vector<std::string>{"/a one", "/b one", "/c two"}));
        CPPUNIT_ASSERT(files_->list().front().namedBy == AppFile::NamedBy::CONFIGURATION);
    }

    void testAnApplicationWithoutAUserDoesNotAffectOthers() {
        failing_ = {"one"};
        CPPUNIT_ASSERT((list() == std::vector<std::string>{"/c two"}));
    }

    void testTheLastKnownUserIsUsed() {
        list();
        failing_ = {"one"};
        CPPUNIT_ASSERT((list() == std::vector<std::string>{"/a one", "/b one", "/c two"}));
    }

    void testAFailureIsLoggedOnceUntilItEnds() {
        failing_ = {"one"};
        list();
        list();
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=monitor.failed app=\"one\""));
        failing_.clear();
        list();
        failing_ = {"one"};
        list();
        CPPUNIT_ASSERT_EQUAL(2U, log_->count("event=monitor.failed app=\"one\""));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MonitoredFilesTest);

}  // namespace Passenger
