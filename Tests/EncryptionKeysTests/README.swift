// Tests follow with the commands.
