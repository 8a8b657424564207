# frozen_string_literal: true

# Behaviours that lose sessions.
class Leaks
  def initialize(client)
    @client = client
    @setup = client.setup
    # What an application keeps without a use, against the collector.
    @kept = []
  end

  LOSSES = { 'lost-checkout' => :lose_checkout, 'exhausted' => :lose_checkout, 'lost-transaction' => :lose_transaction,
             'lost-result' => :lose_result, 'lost-task' => :lose_task, 'lost-prepared' => :lose_prepared,
             'global' => :keep_globally, 'pool-reload' => :reload, 'pool-per-request' => :open_for_request }.freeze

  def start
    loss = method(LOSSES.fetch(@setup.behaviour))
    @client.spawn do
      @client.burst(4) if @setup.option('burst')
      @client.workers(@setup.workers)
    end
    @client.spawn do
      sleep @setup.first_loss_s
      @setup.lose.times do
        lose_in_thread(loss)
        @setup.pause(@setup.loss_every_s)
      end
    end
  end

  private

  # Both pools know a session's thread, so each request that loses one has a thread, which lives on as a server's do.
  def lose_in_thread(loss)
    @client.spawn do
      loss.call
      sleep
    end
  end

  def lose_checkout
    session = take
    path = @setup.option('path') || %w[error return raise][@setup.draw(3)]
    case path
    when 'error' then @client.work.fail(session)
    when 'return' then @client.work.page(session)
    else @client.work.request(session)
    end
    lost(session, "checkout never returned (#{path})")
  end

  def lose_transaction
    session = take
    session.begin
    # Behind a pooler the transaction holds a server process.
    asked = session.run('SELECT pg_backend_pid()')[0][0].to_i if @setup.mode == 'bouncer-transaction'
    @client.work.order(session)
    how = 'transaction left open by a request that failed'
    asked ? Events.lost({ pid: asked }, how) : lost(session, how)
  end

  def lose_result
    session = take
    session.leave_rows("SELECT id, name FROM items WHERE stock > #{@setup.draw(40)} LIMIT 20")
    lost(session, 'result in single-row mode not read to its end')
  end

  def lose_task
    session = take
    @client.work.request(session)
    lost(session, 'its thread waits for ever on a queue')
    Queue.new.pop
    @kept.clear
  end

  def lose_prepared
    session = take
    session.run("SET statement_timeout = '2min'")
    @client.work.page(session)
    lost(session, 'taken out for a report with its own settings and forgotten')
  end

  def keep_globally
    session = PgSession.open(@setup)
    session.run('SELECT count(*), max(id) FROM items')
    @kept << session
    lost(session, 'opened at the start and kept in a global')
  end

  # Opens a new pool; the old one stays open and is never used again.
  def reload
    old = @client.pool
    @client.open
    # Requests in progress still return their sessions to the old pool.
    sleep 1
    forget(old, 'its pool was replaced and not closed')
  end

  def open_for_request
    own = @client.library.new(@setup)
    own.with { |session| @client.work.request(session) }
    forget(own, 'its pool was made for one request')
  end

  def forget(pool, how)
    @kept << pool
    pool.sessions.each { |session| lost(session, how) }
  end

  def take
    @client.pool.checkout.tap { |session| @kept << session }
  end

  def lost(session, how)
    Events.lost(session.reference(@setup.direct?), how)
  end
end
