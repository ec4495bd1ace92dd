"""Language models that see, by Amazon Bedrock: asked about one photograph, held to one form.

`card` is what a user writes, `answers` the forms that an answer must have and the verdict that
follows from one, `asking` the words and the request, `model` the `Model` port over the service.
What stands in a photograph or in an answer is data: nothing of it is ever carried out.
"""
