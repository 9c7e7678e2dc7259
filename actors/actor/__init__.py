"""The thin shell: mailbox, actor, turn runner, and the supervision around them."""
