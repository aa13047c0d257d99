"""What people see: a Streamlit suite over the SavedModels."""
