# frozen_string_literal: true

require "json"
require "open3"
require_relative "support/hostile_neighbour"

# An application, and a user who owns none, send the agent's named socket each order about the
# application of another user. All are refused, as the owner's are not.
class AttackOrdersTest < IntegrationTest
  include HostileNeighbour

  HEADER = File.join(TestEnvironment::SOURCE_DIR, "ext/common/control/ControlVerbs.h")
  # Details of the status.
  DETAILS = %w[requests figures health].freeze
  VERBS = File.read(HEADER).scan(/constexpr const char \*[A-Z_]+ = "(\w+)"/).flatten - DETAILS
  DONE = 113
  REFUSED = 114
  # What an order does is in the log.
  EFFECTS = /event=(app\.restart|queue\.(pause|resume)|instance\.detach)_ordered|
             event=health\.(un)?drained/x.freeze

  if TestEnvironment.root?
    serve do |made|
      broken = SampleApps.written("raise 'it does not start'\n")
      { "attacker.test" => [SampleApps.copy("hostile_app"), "b"],
        "other.test" => [SampleApps.rack, "a"],
        "broken.test" => [broken, "a"] }.each do |site, (app, user)|
        made.site(site, TestEnvironment.hand_over(app, MadeUsers[user].name),
                  "PassengerMinInstances 1\nPassengerMaxInstances 1\n")
      end
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    [attacker, other].each do |client|
      eventually("an answer") { client.get("/pid").code.to_i == 200 }
    end
    assert_status 500, client("broken.test").get("/")
    @report = server.log.wait_for(/ report=\w+/)[/ report=(\w+)/, 1]
  end

  def test_an_application_orders_nothing_about_others
    assert_all_refused do |orders|
      answer = attacker.post("/orders?#{control}", JSON.generate(orders))
      assert_status 200, answer
      JSON.parse(answer.body)
    end
  end

  def test_a_user_without_an_application_orders_nothing
    assert_all_refused { |orders| answers_to("c", orders) }
  end

  # Without this the orders could be refused because they are wrong.
  def test_the_owner_orders_it
    orders = right_orders
    assert_equal VERBS.sort, orders.map(&:first).uniq.sort
    refused = orders.zip(answers_to("a", orders)).select { |_, (type, _)| type == REFUSED }
    assert_equal([["reopen_logs"], ["kept"]], refused.map(&:first))
    eventually("an answer") { other.get("/hello").code == "200" }
  end

  private

  def app_name
    status = answers_to("a", [["status", ""]]).first.last
    names = JSON.parse(status).fetch("apps").map { |app| app.fetch("name") }
    names.find { |one| one.include?(root("other.test")) }
  end

  # A test before has detached one.
  def instance
    eventually("an instance") { others.first }.to_s
  end

  def right_orders
    name = app_name
    [["status", name], ["threads", name, "1"], ["threads", name, "0"], ["report", @report],
     ["drain", name, "1"], ["drain", name, "0"], ["pause", name, "1"], ["resume", name],
     ["restart", name], ["detach", instance], ["reopen_logs"], ["kept"], ["weight", name, "50"]]
  end

  # Each verb with each thing of the other user, and for the whole server.
  def foreign_orders
    name = app_name
    things = [[name], [name, "1"], [name, "0"], [instance], [@report], ["", "1"], ["", "0"], []]
    VERBS.product(things).map { |verb, fields| [verb, *fields] } +
      DETAILS.map { |detail| ["status", "", detail] }
  end

  def assert_all_refused
    orders = foreign_orders
    instances = instance
    answers = nil
    assert_unharmed(other, "/hello") { answers = yield orders }
    assert_equal orders.size, answers.size
    done = orders.zip(answers).reject { |_, (type, _)| type == REFUSED }
    # Everybody sees what is public, and has a weight of his own made smooth.
    assert_equal %w[status weight], done.map { |order, _| order.first }.uniq
    done.each { |order, (_, text)| refute_includes text, root("other.test"), order.inspect }
    refute_match EFFECTS, server.log.text(@log_position)
    assert_equal instances, instance
  end

  # The program is below a folder that all may enter.
  def answers_to(key, orders)
    user = MadeUsers[key]
    program = File.join(root("attacker.test"), "orders.rb")
    output, status = Open3.capture2("setpriv", "--reuid=#{user.uid}", "--regid=#{user.gid}",
                                    "--clear-groups", RbConfig.ruby, program, control,
                                    stdin_data: JSON.generate(orders), chdir: "/")
    assert_predicate status, :success?
    JSON.parse(output)
  end
end
