#include "support/PoolFixture.h"

#include <cppunit/TestAssert.h>

#include <stdexcept>
#include <vector>

#include "pool/MemorySession.h"
#include "support/Eventually.h"

namespace Passenger {

void Answer::arrive(GetOutcome outcome) {
    const std::lock_guard<std::mutex> guard(mutex_);
    // An assertion here would end the process: it may be the event loop's thread.
    second_ = outcome_.has_value();
    outcome_.emplace(std::move(outcome));
}

bool Answer::here() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    CPPUNIT_ASSERT_MESSAGE("A second answer to one request", !second_);
    return outcome_.has_value();
}

bool Answer::comes() const {
    return eventually([this] { return here(); });
}

SessionPtr Answer::session() {
    CPPUNIT_ASSERT_MESSAGE("No answer came", comes());
    const std::lock_guard<std::mutex> guard(mutex_);
    CPPUNIT_ASSERT_MESSAGE("The answer was no session", outcome_->has_value());
    return std::move(**outcome_);
}

GetFailure Answer::failure() const {
    CPPUNIT_ASSERT_MESSAGE("No answer came", comes());
    const std::lock_guard<std::mutex> guard(mutex_);
    CPPUNIT_ASSERT_MESSAGE("The answer was a session", !outcome_->has_value());
    return outcome_->error();
}

void PoolFixture::setUp() {
    LeakCheck::setUp();
    log_ = std::make_unique<CapturedLog>();
    loop_ = std::make_unique<EventLoop>();
    channels_ = std::make_unique<ChannelRegistry>(*loop_);
    factory_ = std::make_unique<DummySpawnerFactory>();
    PoolSettings settings;
    settings.maxSize = 3;
    settings.idleTime = std::chrono::seconds(60);
    pool_ = std::make_unique<Pool>(Pool::Parts{*loop_, *factory_, *channels_, clock_, store_, cpu_, false}, settings);
}

void PoolFixture::tearDown() {
    factory_->release();
    pool_.reset();
    factory_.reset();
    channels_.reset();
    loop_.reset();
    log_.reset();
    LeakCheck::tearDown();
}

Options PoolFixture::app(const std::string &root) {
    Options options;
    options.appRoot = root;
    options.spawnMethod = "dummy";
    options.minInstances = 0;
    return options;
}

AnswerPtr PoolFixture::ask(const Options &options) {
    auto answer = std::make_shared<Answer>();
    pool_->asyncGet(options, [answer](GetOutcome outcome) { answer->arrive(std::move(outcome)); });
    return answer;
}

SessionPtr PoolFixture::get(const Options &options) {
    return ask(options)->session();
}

const Process *PoolFixture::instanceOf(const SessionPtr &session) {
    return dynamic_cast<const MemorySession &>(*session).process().get();
}

void PoolFixture::warmUp(unsigned instances, const Options &options) {
    std::vector<AnswerPtr> answers;
    for (unsigned i = 0; i < instances; i++) {
        answers.push_back(ask(options));
    }
    std::vector<SessionPtr> sessions;
    for (const AnswerPtr &answer : answers) {
        sessions.push_back(answer->session());
    }
}

void PoolFixture::setMax(unsigned max) {
    pool_->setMax(max);
}

void PoolFixture::advance(std::chrono::seconds time, std::chrono::seconds step) {
    for (std::chrono::seconds passed{0}; passed < time; passed += step) {
        clock_.advance(step);
        pool_->upkeep();
    }
}

bool PoolFixture::eventuallyCount(unsigned count) {
    return eventually([&] { return pool_->getCount() == count; });
}

}  // namespace Passenger
