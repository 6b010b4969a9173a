#include "support/SpawningFixture.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <cppunit/TestAssert.h>

#include "base/Exceptions.h"
#include "io/Serve.h"
#include "shm/Claims.h"
#include "shm/SenderMemory.h"
#include "support/AgentProgram.h"
#include "support/Eventually.h"

namespace Passenger {

namespace {

namespace fs = std::filesystem;

std::string variable(const char *name, const std::string &otherwise) {
    const char *value = std::getenv(name);
    return value != nullptr ? value : otherwise;
}

}  // namespace

ApplicationFolder::ApplicationFolder(const std::string &startupFile)
    : path_((fs::temp_directory_path() / "passenger-unit-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr || ::chmod(path_.c_str(), 0755) != 0) {
        throw SystemException("mkdtemp(\"" + path_ + "\")", errno);
    }
    setStartupFile(startupFile);
}

ApplicationFolder::~ApplicationFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

void ApplicationFolder::setStartupFile(const std::string &text) {
    std::ofstream(path_ + "/config.ru") << text;
}

void SpawningFixture::setUp() {
    LeakCheck::setUp();
    log_ = std::make_unique<CapturedLog>();
    folder_ = std::make_unique<ApplicationFolder>(application());
    loop_ = std::make_unique<EventLoop>();
    manager_ = std::make_unique<SpawnManager>(*loop_, settings());
    resources_ = std::make_unique<AppResources>(*loop_, *manager_);
    factory_ = std::make_unique<StandardSpawnerFactory>(*resources_);
}

void SpawningFixture::tearDown() {
    queue_.reset();
    factory_.reset();
    resources_.reset();
    manager_.reset();
    loop_.reset();
    folder_.reset();
    log_.reset();
    LeakCheck::tearDown();
}

std::string SpawningFixture::sourceFolder() {
    return variable("SOURCE_DIR",
                    fs::absolute(fs::path(__FILE__).parent_path() / "../../..").lexically_normal().string());
}

SpawnManager::Settings SpawningFixture::settings() {
    return {variable("PASSENGER_LIB", sourceFolder() + "/lib/passenger") + "/spawn/spawn_server.rb",
            variable("RUBY", "ruby"), "", passengerRoot() + "/passenger-agent"};
}

Options SpawningFixture::options() const {
    Options options;
    options.appRoot = folder_->path();
    options.ruby = settings().rubyCommand;
    // What a profile sets is not the same for each user who runs the tests.
    options.loadShellEnvvars = false;
    return options;
}

std::string SpawningFixture::application(const std::string &code) {
    return code + "\nrun ->(env) { [200, {}, []] }\n";
}

pid_t SpawningFixture::pidInLog(const std::string &label) const {
    std::string text;
    std::size_t at = 0;
    eventually([&] {
        text = log_->text();
        at = text.rfind(label);
        // The log has the whole number, and not only its first digits.
        return at != std::string::npos && text.find_first_not_of("0123456789", at + label.size()) != std::string::npos;
    });
    return at == std::string::npos ? 0 : std::stoi(text.substr(at + label.size()));
}

bool SpawningFixture::exists(pid_t pid) {
    return ::kill(pid, 0) == 0 || errno != ESRCH;
}

void SpawningFixture::serve(SpawnResult &instance) {
    if (!queue_) {
        queue_ = std::make_unique<RequestQueue>();
    }
    const Claims claims;
    const SenderMemory senders;
    Serve order;
    order.reforkAfter = 1000;
    instance.control.send(
        order.toFrame(),
        {queue_->receivingEnd().get(), claims.memory().descriptor().get(), senders.memory().descriptor().get()},
        FrameSocket::in(std::chrono::seconds(60)));
    CPPUNIT_ASSERT(instance.control.receive(FrameSocket::in(std::chrono::seconds(60))).type == FrameType::READY);
}

WarmInstance SpawningFixture::warm(SpawnResult &instance) {
    return {instance.pid, instance.origin, [&](const Frame &frame, const std::vector<int> &descriptors) {
                instance.control.send(frame, descriptors, FrameSocket::in(std::chrono::seconds(60)));
            }};
}

}  // namespace Passenger
