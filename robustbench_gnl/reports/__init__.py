"""Reports: functions that turn results into a Document, which `render` shows in any format.

    document = leaderboard_document(boards)
    render(document, "markdown")

Nothing here reads the store or prints.
"""
