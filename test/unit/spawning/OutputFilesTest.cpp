#include "spawning/OutputFiles.h"

#include <cppunit/extensions/HelperMacros.h>
#include <boost/thread/exceptions.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "support/Eventually.h"
#include "support/FileSizeLimit.h"
#include "support/LeakCheck.h"
#include "support/NoThreads.h"
#include "support/SmallLog.h"

namespace Passenger {

/** The files of PassengerAppLogFile. */
class OutputFilesTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(OutputFilesTest);
    CPPUNIT_TEST(testALineBehindABrokenOffLineBeginsAnew);
    CPPUNIT_TEST(testAFileWorksAfterItsThreadCouldNotBeStarted);
    CPPUNIT_TEST_SUITE_END();

    std::string folder_;

    std::string path() const { return folder_ + "/app.log"; }

    std::string content() const {
        std::ifstream file(path());
        return {std::istreambuf_iterator<char>(file), {}};
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        char folder[] = "/tmp/passenger-unit-OutputFilesTest.XXXXXX";
        folder_ = ::mkdtemp(folder);
    }

    void tearDown() override {
        std::filesystem::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testALineBehindABrokenOffLineBeginsAnew() {
        OutputFiles files;
        const auto sink = files.sinkFor(path(), RunAs());
        SmallLog log;
        {
            // The disk is full within the line.
            const FileSizeLimit limit(5);
            sink(1, "0123456789");
            log.readTo("event=app_log.failed");
        }
        CPPUNIT_ASSERT_EQUAL(std::string("App 1"), content());
        sink(1, "next");
        CPPUNIT_ASSERT(eventually([this] { return content().ends_with("next\n"); }));
        CPPUNIT_ASSERT_EQUAL(std::string("App 1\nApp 1 output: next\n"), content());
    }

    void testAFileWorksAfterItsThreadCouldNotBeStarted() {
        OutputFiles files;
        {
            const NoThreads limit;
            CPPUNIT_ASSERT_THROW(files.sinkFor(path(), RunAs()), boost::thread_resource_error);
        }
        files.reopen(path());
        files.sinkFor(path(), RunAs())(1, "a line");
        CPPUNIT_ASSERT(eventually([this] { return content().ends_with("a line\n"); }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(OutputFilesTest);

}  // namespace Passenger
